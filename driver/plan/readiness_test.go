package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHowAServiceIsChecked(t *testing.T) {
	many := []string{}
	for _, p := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		many = append(many, "100"+p+"/tcp", "200"+p+"/tcp", "300"+p+"/tcp")
	}
	for name, c := range map[string]struct {
		env, test, shell, exposed []string
		want                      Check
	}{
		"no port, no health check":      {},
		"its port":                      {exposed: []string{"6379/tcp"}, want: Check{Ports: []int{6379}}},
		"all of its ports, in order":    {exposed: []string{"9300/tcp", "9200/tcp"}, want: Check{Ports: []int{9200, 9300}}},
		"only ports of TCP":             {exposed: []string{"53/udp", "132/sctp"}},
		"a port without a protocol":     {exposed: []string{"80"}, want: Check{Ports: []int{80}}},
		"what is no port":               {exposed: []string{"0/tcp", "70000/tcp", "x/tcp", ""}},
		"its health check":              {test: []string{"CMD", "curl", "-f", "x"}, exposed: []string{"80/tcp"}, want: Check{Test: []string{"curl", "-f", "x"}}},
		"its health check in a shell":   {test: []string{"CMD-SHELL", "a || b"}, want: Check{Test: []string{"/bin/sh", "-c", "a || b"}}},
		"in a shell of its own":         {test: []string{"CMD-SHELL", "a"}, shell: []string{"/bin/bash", "-ec"}, want: Check{Test: []string{"/bin/bash", "-ec", "a"}}},
		"a health check turned off":     {test: []string{"NONE"}, exposed: []string{"80/tcp"}, want: Check{Ports: []int{80}}},
		"a health check of odd form":    {test: []string{"CMD"}, exposed: []string{"80/tcp"}, want: Check{Ports: []int{80}}},
		"the pipeline's port":           {env: []string{"HEALTHCHECK_TCP_PORT=27017"}, test: []string{"CMD", "x"}, exposed: []string{"80/tcp"}, want: Check{Ports: []int{27017}}},
		"the last of the variables":     {env: []string{"HEALTHCHECK_TCP_PORT=1", "HEALTHCHECK_TCP_PORT=2"}, want: Check{Ports: []int{2}}},
		"a pipeline's port that is not": {env: []string{"HEALTHCHECK_TCP_PORT=web"}, exposed: []string{"80/tcp"}, want: Check{Ports: []int{80}}},
		"no more than twenty ports":     {exposed: many, want: Check{Ports: []int{1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009, 3001, 3002}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := CheckOf(Container{Environment: c.env}, c.test, c.shell, c.exposed)
			if !slices.Equal(got.Test, c.want.Test) || !slices.Equal(got.Ports, c.want.Ports) {
				t.Errorf("checked by %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTwoServicesNeverHaveOneName(t *testing.T) {
	s, job, facts := example()
	job.Services = []Service{
		named("redis:7", "cache"), named("redis:6", "cache", "old"), named("redis:5"),
		named("group/tools:1", "dind"), named("docker:dind", "dind"),
	}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	var names [][]string
	for _, c := range p.Services {
		names = append(names, c.Aliases)
	}
	if diff := cmp.Diff([][]string{{"redis", "cache"}, {"old"}, nil, {"group__tools", "group-tools"}}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	want := []string{
		"service redis:6 cannot have the name cache, which is that of redis:7",
		"service redis:5 has no name of its own: give it an alias",
		"service group/tools:1 cannot have the name dind, which is that of the docker daemon of this job",
	}
	if diff := cmp.Diff(want, p.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
