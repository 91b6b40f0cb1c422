package group

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestAPanicBesideIsAnError(t *testing.T) {
	g, ctx := WithContext(t.Context())
	g.Go(func() error {
		<-ctx.Done() // the others are told
		return ctx.Err()
	})
	g.Go(func() error {
		return errors.New(strings.Fields("")[0])
	})
	var p *Panic
	if err := g.Wait(); !errors.As(err, &p) || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(string(p.Stack), "group_test.go") {
		t.Errorf("got %v", err)
	}
}

func TestAGroupIsAnErrgroupOtherwise(t *testing.T) {
	wrong := errors.New("wrong")
	var zero Group
	zero.SetLimit(1)
	zero.Go(func() error { return nil })
	zero.Go(func() error { return wrong })
	if err := zero.Wait(); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	g, ctx := WithContext(context.Background())
	g.Go(func() error { return nil })
	if err := g.Wait(); err != nil || ctx.Err() == nil {
		t.Errorf("got %v, and its context %v", err, ctx.Err())
	}
}
