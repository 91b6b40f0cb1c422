package engines

// short is what a machine without any cache can afford with all other tests.
var short = []string{"TestBuildTagAndPush", "TestWaysToBuild"}

// ofEngine are the tests of test/e2e that show what an engine on the host could do in
// another way than this machine's.
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
	"TestAnImmutableFileOfAJobDoesNotStay",
	"TestSidecarIsEndedFromOutsideUnderTheScript",
}

// ofDaemon are those that show what a daemon in the sidecar could do in another way.
var ofDaemon = []string{
	"TestBuildTagAndPush",
	"TestWaysToBuild",
	"TestAnOldClientIsServed",
	"TestPlaintextHabitIsHonouredWithAWarning",
	"TestReducedSidecarBuildsAndRuns",
	"TestRootlessSidecarBuildsAndRuns",
	"TestLayersAreForTheJobsOfTheirScopeAlone",
	"TestLayersOfEveryKindOfDaemon",
	"TestLayersGoBySizeAndAge",
	"TestCachedLayersHaveNoNames",
	"TestAFirstBuildFindsItsBaseWithoutARegistry",
	"TestAJobTakesASandboxThatWaits",
	"TestABaseImageCrossesTheNetworkOnce",
}
