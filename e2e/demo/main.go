// Command demo starts a small mesh with Palisade in every Envoy and walks
// through it: what works, and what an attacker would try. It exits with 0 only
// if every decision was the expected one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/palisade-mesh/palisade/e2e/mesh"
)

// timeLimit of the start and the walk together. It is generous: on a slow
// machine, four Envoys compile eight Wasm modules.
const timeLimit = 3 * time.Minute

// errSurprise says that the walk ended, but not as it should have.
var errSurprise = errors.New("not every decision was the expected one")

func main() {
	mesh.Main()
	keep := flag.Bool("keep", false, "leave the mesh running after the walk, until Ctrl-C")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: demo [-keep]\n\nNeeds ENVOY_PATH and the compiled filters; `make demo` provides both.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, newScreen(os.Stdout), *keep)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errSurprise):
		os.Exit(1)
	case interrupted:
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, screen *screen, keep bool) (err error) {
	began := time.Now()
	walkCtx, cancel := context.WithTimeoutCause(ctx, timeLimit, fmt.Errorf("this took longer than %s", timeLimit))
	defer cancel()

	screen.title()
	m, err := mesh.Start(walkCtx)
	if err != nil {
		screen.printf("failed.\n")
		return err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	screen.started(time.Since(began))

	steps := mesh.Walk()
	failed := 0
	for i, step := range steps {
		result, err := m.Take(walkCtx, step)
		if err != nil {
			return err
		}
		screen.step(i+1, result)
		if !result.OK() {
			failed++
		}
	}
	screen.summary(len(steps), failed, time.Since(began))
	if keep {
		screen.kept(m)
		awaitEnd(ctx)
	}
	if failed > 0 {
		return errSurprise
	}
	return nil
}

// awaitEnd returns at Ctrl-C, or when whoever started the demo is gone: `go
// run` does not pass every signal on, and a mesh must not outlive its terminal.
func awaitEnd(ctx context.Context) {
	parent := os.Getppid()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
