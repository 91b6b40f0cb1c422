package stages

import (
	"context"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

// EndedService is a service of a job that has ended.
type EndedService struct {
	// Name is the image, with the names under which the job reaches the service.
	Name string
	Code int
	// OutOfMemory: the kernel ended the service for lack of memory.
	OutOfMemory bool
	// Log has the last lines, indented; empty if there are none.
	Log string
}

// EndedServices are the services of a job that have ended by now, for use after a failed script.
// Services that the engine does not describe are left out. A service with exit code 0 has no last
// lines, since it may just have done its work.
func (s *Stages) EndedServices(ctx context.Context, job string) []EndedService {
	_, within, err := s.jobs.JobContainer(ctx, job)
	if err != nil {
		return nil
	}
	list, err := s.eng.Containers(ctx, label.Sandbox+"="+within, label.Role+"="+string(plan.RoleService))
	if err != nil {
		return nil
	}
	var ended []EndedService
	for _, c := range list {
		full, err := s.eng.Container(ctx, c.ID)
		if err != nil || full.Running || full.Status == "created" {
			continue
		}
		e := EndedService{Name: label.ImageName(c.Labels, c.Image), Code: full.ExitCode, OutOfMemory: full.OutOfMemory}
		if names := sandbox.ServiceNames(full, within); len(names) > 0 {
			e.Name += " (" + strings.Join(names, ", ") + ")"
		}
		if e.Code != 0 {
			e.Log = s.eng.LastLog(ctx, c.ID)
		}
		ended = append(ended, e)
	}
	slices.SortFunc(ended, func(a, b EndedService) int { return strings.Compare(a.Name, b.Name) })
	return ended
}
