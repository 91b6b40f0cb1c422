package mirror

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// MirrorHealth finds the mirror without making or starting one. The error is ErrNone without a
// mirror, else the obstacle for jobs.
func (k *Keeper) MirrorHealth(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	if err := k.eng.Greet(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fresh+pingBound)
	defer cancel()
	c, err := k.eng.Container(ctx, m.Name)
	switch {
	case engine.Gone(err):
		if err := k.portFree(ctx, m); err != nil {
			return nil, err
		}
		return nil, ErrNone
	case err != nil:
		return nil, k.eng.Explain("looking at the mirror", err)
	case c.Paused:
		return nil, fault.System(errors.New("its container "+m.Name+" is paused"), "docker unpause "+m.Name)
	case !c.Running:
		if err := k.portFree(ctx, m); err != nil {
			return nil, err
		}
		return nil, fault.System(errors.New("its container "+m.Name+" does not run"),
			"the next job starts it; docker logs "+c.Name+" may tell why it ended")
	}
	return k.ask(ctx, c)
}

// portFree returns a fault where something else listens on the port that a mirror is
// to have. It knows nothing of an engine on another host, and of an address that this
// process does not have.
func (k *Keeper) portFree(ctx context.Context, m plan.Mirror) error {
	if m.Port == 0 || !k.eng.Local() {
		return nil
	}
	gateway, err := k.HostAddress(ctx)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(gateway.String(), strconv.Itoa(m.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return portTaken(m.Port, err)
	}
	if err == nil {
		_ = l.Close()
	}
	return nil
}

// unstarted explains why a mirror does not start. One that has never run goes: it stores
// nothing, and would be in the way of the next try. Where an engine has not refused the
// start, but is silent or away, the next hook goes on with what there is.
func (k *Keeper) unstarted(ctx context.Context, m plan.Mirror, c engine.Details, err error) error {
	explained := k.eng.Explain("starting the mirror", err)
	if m.Port > 0 && engine.Refused(err, engine.PortTaken) {
		explained = portTaken(m.Port, err)
	}
	if c.Status != engine.Created || ctx.Err() != nil || engine.Unreachable(err) || engine.Gone(err) {
		return explained
	}
	ctx, cancel := k.bounds.Clearing(ctx)
	defer cancel()
	made, listErr := k.Mirrors(ctx)
	if listErr != nil {
		return errors.Join(explained, listErr)
	}
	for _, one := range made {
		if one.id == c.ID && one.State == engine.Created {
			return errors.Join(explained, k.removeMirror(ctx, one))
		}
	}
	return explained
}

// portTaken is the fault of a port on which something else listens.
func portTaken(port int, err error) error {
	return fault.System(fmt.Errorf("port %d of this host, which mirror.port names, is taken: %w", port, err),
		"name another mirror.port in the settings, or 0 for any that is free; ss -ltnp tells who has this one, and gitlab-dind-executor gc removes a mirror of earlier settings")
}

// silent explains why a mirror does not answer.
func (k *Keeper) silent(ctx context.Context, c engine.Details, err error) error {
	ctx, cancel := k.bounds.Clearing(ctx)
	defer cancel()
	const anew = "; gitlab-dind-executor mirror remove makes room for a new one"
	if now, lookErr := k.eng.Container(ctx, c.ID); lookErr == nil && !now.Running {
		return fault.System(fmt.Errorf("its container %s has ended with code %d", c.Name, now.ExitCode),
			"docker logs "+c.Name+" tells why: often mirror.remote does not answer, which gitlab-dind-executor doctor tries"+anew)
	}
	return fault.System(fmt.Errorf("it does not answer: %w", err), "docker logs "+c.Name+" may tell why"+anew)
}
