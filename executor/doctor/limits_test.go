package doctor

import (
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/host"
)

func TestLimitsOfTheKernelBesideConcurrent(t *testing.T) {
	rootless := config.Default()
	rootless.Sidecar.Privilege = config.PrivilegeRootless
	inotify := host.Limit{Name: host.LimitInotify, Max: 128, Used: 20}
	keys := host.Limit{Name: host.LimitUserKeys, Max: 200, Used: 190}
	unit := host.Limit{Name: host.TasksRunner, Max: 1000, Used: 12}
	one := func(l host.Limit, jobs int, s config.Settings) Finding {
		t.Helper()
		list := Limits([]host.Limit{l}, jobs, s)
		if len(list) != 1 {
			t.Fatalf("found %v", list)
		}
		return list[0]
	}
	sees(t, one(inotify, 8, config.Default()), OK, "allow 8 jobs at once", "")
	sees(t, one(inotify, 0, config.Default()), OK, "allow 1 jobs at once", "")
	sees(t, one(inotify, 200, config.Default()), Warning,
		"fs.inotify.max_user_instances is 128, of which 20 are in use: 200 jobs at once take about", "write fs.inotify.max_user_instances = ")
	sees(t, one(keys, 200, config.Default()), OK, "allow 200 jobs", "")
	sees(t, one(keys, 200, rootless), Warning, "kernel.keys.maxkeys is 200", "kernel.keys.maxkeys = ")
	sees(t, one(unit, 200, config.Default()), Warning, "TasksMax= of gitlab-runner.service is 1000", "systemctl edit gitlab-runner.service")
	if all := Limits([]host.Limit{inotify, unit, {Name: host.LimitPIDs, Max: 4194304, Used: 900}}, 200, config.Default()); len(all) != 2 {
		t.Errorf("found %v", all)
	}
	if all := Limits(nil, 200, config.Default()); len(all) != 1 || all[0].Level != OK {
		t.Errorf("of a host that tells nothing: %v", all)
	}
}

// Each known limit has a judgement.
func TestEveryLimitHasAFigure(t *testing.T) {
	for _, l := range host.Limits("/") {
		if perJob[l.Name] == 0 {
			t.Errorf("nobody knows what a job takes of %s", l.Name)
		}
	}
}
