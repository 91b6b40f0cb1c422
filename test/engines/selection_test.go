package engines

// short are the jobs that a machine without a cache can afford beside all other tests.
var short = []string{"TestBuildTagAndPush", "TestWaysToBuild"}

// ofEngine are tests of test/e2e in which another engine on the host could behave otherwise.
// They run once on each engine.
var ofEngine = []string{
	"TestNothingDeclared",
	"TestImagesAreFetchedWithTheJobsCredentials",
	"TestInnerDaemonGetsTheHostsNetworkFacts",
	"TestEntrypointThatPrints",
	"TestRedisAndPostgresByNamesAndAliases",
	"TestLimitsHoldAndAreNamed",
	"TestComposeWithABindMountAndAPublishedPort",
	"TestASandboxThatWaitsHasTheLayersJustBuilt",
	"TestLayersOfAKilledSidecarServeTheNextJob",
	"TestAMirrorThatFailedBeforeAJob",
	"TestEverythingIsLabelled",
	"TestCancelInTheMiddleOfABuild",
	"TestRunIsKilledAndCleanupRemovesAll",
	"TestRunnerIsKilledAndGCRemovesAll",
	"TestSidecarIsEndedFromOutsideUnderTheScript",
}

// ofDaemon are tests in which another daemon in the sidecar could treat its data otherwise.
// They run once with each daemon.
var ofDaemon = []string{
	"TestLayersOfEveryKindOfDaemon",
	"TestLayersGoBySizeAndAge",
	"TestCachedLayersHaveNoNames",
	"TestABuildOnAnotherHostFindsItsLayersInTheRegistry",
}

// inGVisor are tests in which an engine that hands annotations to gVisor's runtime could behave
// otherwise.
var inGVisor = []string{
	"TestGVisorKeepsADataRootInAFile",
	"TestGVisorNamesItsBounds",
	"TestGVisorByPolicy",
}

// pipelinesInGVisor are documented pipelines without a change.
var pipelinesInGVisor = []string{
	"TestBuildTagAndPush",
	"TestOwnDindImageWithAlias",
	"TestOwnDindImageWithoutAlias",
	"TestFourStages",
	"TestPlaintextHabitIsHonouredWithAWarning",
}

// ofPair are the tests that run with each daemon on each engine.
var ofPair = []string{
	"TestBuildTagAndPush",
	"TestWaysToBuild",
	"TestAnOldClientIsServed",
	"TestPlaintextHabitIsHonouredWithAWarning",
	"TestReducedSidecarBuildsAndRuns",
	"TestRootlessSidecarBuildsAndRuns",
	"TestLayersAreForTheJobsOfTheirScopeAlone",
	"TestAFirstBuildFindsItsBaseWithoutARegistry",
	"TestAJobTakesASandboxThatWaits",
	"TestABaseImageCrossesTheNetworkOnce",
}
