package stages

import (
	"context"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

// EndedService is a service of a job that runs no more.
type EndedService struct {
	// Name is the image, and the names that the job reaches it by.
	Name string
	Code int
	// OutOfMemory says that the kernel ended it.
	OutOfMemory bool
	// Log are its last lines, indented; empty if there are none.
	Log string
}

// EndedServices are the services of a job that have ended by now. What the engine does
// not tell is left out. It is for the moment after a script has failed: of one that
// ended with code 0 nobody knows whether it had done its work, so it has no last lines.
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
