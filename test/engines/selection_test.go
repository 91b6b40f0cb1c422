package engines

// short is what a machine without any cache can afford with all other tests.
var short = []string{"TestBuildTagAndPush", "TestWaysToBuild"}

// ofEngine are the tests of test/e2e that show what an engine on the host could do in
// another way than this machine's. They run once on each engine.
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

// ofDaemon show what a daemon in the sidecar could do in another way with its data.
// They run once with each daemon.
var ofDaemon = []string{
	"TestLayersOfEveryKindOfDaemon",
	"TestLayersGoBySizeAndAge",
	"TestCachedLayersHaveNoNames",
}

// inGVisor show what an engine that hands annotations to gVisor's runtime could do in
// another way than this machine's.
var inGVisor = []string{
	"TestGVisorKeepsADataRootInAFile",
	"TestGVisorNamesItsBounds",
	"TestGVisorByPolicy",
}

// pipelinesInGVisor are documented pipelines as they stand.
var pipelinesInGVisor = []string{
	"TestBuildTagAndPush",
	"TestOwnDindImageWithAlias",
	"TestOwnDindImageWithoutAlias",
	"TestFourStages",
	"TestPlaintextHabitIsHonouredWithAWarning",
}

// ofPair run with each daemon on each engine.
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
