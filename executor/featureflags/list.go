package featureflags

// Names of flags that this program itself heeds.
const (
	// DisableUmask gives sources, caches and artifacts to the user of the job's image, and
	// lets nobody else write them.
	DisableUmask = "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"
	// UseInit starts an init process in the job container and in services.
	UseInit = "FF_USE_INIT_WITH_DOCKER_EXECUTOR"
	// NativeStop ends a cancelled script by a signal to its first process alone.
	NativeStop = "FF_USE_NATIVE_CONTAINER_STOP"
	// NetworkPerBuild gives each job a network of its own. All jobs here have one.
	NetworkPerBuild = "FF_NETWORK_PER_BUILD"
)

// all are the flags of GitLab Runner 19.4, and flags of older Runners from 16.11 on, in the
// order of their names. Source: helpers/featureflags/flags.go of each release.
var all = []Flag{
	{"FF_CLEAN_UP_FAILED_CACHE_EXTRACT", false, ByRunner, "its scripts remove what a failed extraction left"},
	{"FF_CONCRETE", false, Lacking, "no job has a step runner, so the script runs as ever"},
	{"FF_DISABLE_AUTOMATIC_TOKEN_ROTATION", false, ByRunner, "its own token"},
	{"FF_DISABLE_POWERSHELL_STDIN", false, Foreign, "it is of PowerShell"},
	{DisableUmask, false, Honoured, "before the first script of the job container the project's files get its user, and nothing has the umask 0000"},
	{"FF_DISABLE_UMASK_FOR_KUBERNETES_EXECUTOR", false, Foreign, "it is of Kubernetes"},
	{"FF_ENABLE_BASH_EXIT_CODE_CHECK", false, ByRunner, "its scripts look at each exit code"},
	{"FF_ENABLE_JOB_CLEANUP", false, ByRunner, "its scripts clean the project's directory, which goes with the job in any case"},
	{"FF_ENABLE_JOB_INPUTS_INTERPOLATION", true, ByRunner, "it replaces inputs before a hook is called"},
	{"FF_EXPORT_HIGH_CARDINALITY_METRICS", false, ByRunner, "its own metrics"},
	{"FF_GIT_URLS_WITHOUT_TOKENS", false, ByRunner, "its scripts bring a credential helper for git"},
	{"FF_HASH_CACHE_KEYS", false, ByRunner, "it names the caches"},
	{"FF_KUBERNETES_HONOR_ENTRYPOINT", false, Foreign, "it is of Kubernetes"},
	{"FF_LOG_IMAGES_CONFIGURED_FOR_JOB", false, ByRunner, "its own log"},
	{"FF_MASK_ALL_DEFAULT_TOKENS", true, ByRunner, "it masks the job log"},
	{NetworkPerBuild, false, Always, "each job has a network of its own; the job's daemon does not know it by CI_BUILD_NETWORK_NAME"},
	{"FF_POSIXLY_CORRECT_ESCAPES", false, ByRunner, "its scripts quote so"},
	{"FF_PRINT_POD_EVENTS", false, Foreign, "it is of Kubernetes"},
	{"FF_RESOLVE_FULL_TLS_CHAIN", false, ByRunner, "it makes CI_SERVER_TLS_CA_FILE"},
	{"FF_RETRIEVE_POD_WARNING_EVENTS", false, Foreign, "it is of Kubernetes"},
	{"FF_SCRIPT_SECTIONS", false, ByRunner, "its scripts fold commands"},
	{"FF_SCRIPT_TO_STEP_MIGRATION", false, Lacking, "no job has a step runner, so the script runs as ever"},
	{"FF_SECRET_RESOLVING_FAILS_IF_MISSING", true, ByRunner, "it fetches secrets"},
	{"FF_SET_PERMISSIONS_BEFORE_CLEANUP", true, ByRunner, "its scripts did so, until 19.3"},
	{"FF_SKIP_NOOP_BUILD_STAGES", true, ByRunner, "it left out stages with nothing to do, and does always from 19.3 on"},
	{"FF_SUSPENDABLE_ENVIRONMENTS", false, Lacking, "no sandbox can be suspended, so the job ends as ever"},
	{"FF_TEST_FEATURE", false, Foreign, "it is of the Runner's own tests"},
	{"FF_TIMESTAMPS", true, ByRunner, "it writes the job log"},
	{"FF_USE_ADAPTIVE_REQUEST_CONCURRENCY", true, ByRunner, "it asks for jobs"},
	{"FF_USE_ADVANCED_POD_SPEC_CONFIGURATION", false, Foreign, "it is of Kubernetes"},
	{"FF_USE_DIRECT_DOWNLOAD", true, ByRunner, "its program in the helper reads it"},
	{"FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO", true, Foreign, "it is of docker-autoscaler"},
	{"FF_USE_DUMB_INIT_WITH_KUBERNETES_EXECUTOR", false, Foreign, "it is of Kubernetes"},
	{"FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL", false, ByRunner, "it sends the job log"},
	{"FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", true, ByRunner, "it tries stages again"},
	{"FF_USE_FASTZIP", true, ByRunner, "its program in the helper reads it"},
	{"FF_USE_FLEETING_ACQUIRE_HEARTBEATS", false, Foreign, "it is of executors that make hosts"},
	{"FF_USE_GITALY_CORRELATION_ID", true, ByRunner, "its scripts tell git"},
	{"FF_USE_GIT_BUNDLE_URIS", true, ByRunner, "its scripts tell git"},
	{"FF_USE_GIT_NATIVE_CLONE", false, ByRunner, "its scripts tell git"},
	{"FF_USE_GIT_PROACTIVE_AUTH", false, ByRunner, "its scripts tell git"},
	{UseInit, false, Honoured, "docker-init is the first process of the job container and of services; the sidecar's image brings its own"},
	{"FF_USE_JOB_ROUTER", false, ByRunner, "it asks for jobs"},
	{"FF_USE_LEGACY_BASH_EVAL", false, ByRunner, "its scripts begin as they did before 19.3"},
	{"FF_USE_LEGACY_GCS_CACHE_ADAPTER", false, ByRunner, "it signs the URLs of caches"},
	{"FF_USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY", false, Foreign, "it is of Kubernetes"},
	{"FF_USE_LEGACY_S3_CACHE_ADAPTER", false, ByRunner, "it signs the URLs of caches"},
	{NativeStop, false, Honoured, "a cancelled script is ended by SIGTERM to the first process of its container alone, and by SIGKILL 3 s later"},
	{"FF_USE_NEW_BASH_EVAL_STRATEGY", false, ByRunner, "its scripts were made so, until 19.3"},
	{"FF_USE_PARALLEL_ARTIFACT_TRANSFER", false, ByRunner, "its program in the helper reads it"},
	{"FF_USE_PARALLEL_CACHE_TRANSFER", false, ByRunner, "its program in the helper reads it"},
	{"FF_USE_POD_ACTIVE_DEADLINE_SECONDS", true, Foreign, "it is of Kubernetes"},
	{"FF_USE_POWERSHELL_PATH_RESOLVER", false, Foreign, "it is of PowerShell"},
	{"FF_USE_WINDOWS_JOB_OBJECT", false, Foreign, "it is of Windows"},
	{"FF_USE_WINDOWS_LEGACY_PROCESS_STRATEGY", false, Foreign, "it is of Windows"},
	{"FF_WAIT_FOR_POD_TO_BE_REACHABLE", false, Foreign, "it is of Kubernetes"},
}
