// Package envoy runs a stock Envoy for tests and for the demo mesh.
package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	func_e "github.com/tetratelabs/func-e"
	"github.com/tetratelabs/func-e/api"
)

// pollInterval is how often a starting Envoy is asked whether it is ready.
const pollInterval = 25 * time.Millisecond

// Options say how to run an Envoy. Only Bootstrap is required.
type Options struct {
	// Name tells one Envoy from another in errors and file names.
	Name string
	// Bootstrap is Envoy's configuration, as YAML or JSON. It needs no admin
	// section. Listeners with port 0 get a port from the kernel.
	Bootstrap string
	// Concurrency is the number of worker threads; 0 means 1.
	Concurrency int
	// LogLevels are component log levels beside the default, "wasm:info".
	LogLevels string
	// DrainTime is how long a listener that was replaced keeps its connections,
	// in whole seconds; 0 means Envoy's own 10 minutes. From the start on, each
	// response says `connection: close`.
	DrainTime time.Duration
	// Dir is the working directory, against which Envoy resolves nothing by
	// itself, but where its files go. Empty means a temporary one, removed by
	// Stop.
	Dir string
}

// Envoy is a running process. Stop must be called.
type Envoy struct {
	name      string
	dir       string
	temporary bool
	admin     string
	listeners map[string]string
	out, err  Log
	cancel    context.CancelFunc
	exited    chan struct{}
	exitErr   error
	stopOnce  sync.Once
}

// RefusedError says that Envoy exited before it was ready: it did not accept
// its configuration.
type RefusedError struct {
	Name string
	Err  error
	// Log is all that Envoy wrote.
	Log string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("envoy: %s exited before it was ready: %v\n%s", e.Name, e.Err, e.Log)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Start runs Envoy and returns when it is ready to serve. An Envoy that exits
// instead is a *RefusedError. The context bounds the start only: the process
// outlives it until Stop, so a context that ends with a test cannot leave an
// Envoy in the middle of the test's cleanup.
func Start(ctx context.Context, o Options) (*Envoy, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = "envoy"
	}
	e := &Envoy{name: o.Name, dir: o.Dir, exited: make(chan struct{})}
	if e.dir == "" {
		e.temporary = true
		if e.dir, err = os.MkdirTemp("", "palisade-"+o.Name+"-"); err != nil {
			return nil, fmt.Errorf("envoy: %w", err)
		}
	}
	if err := e.run(binary, o); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	if err := e.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// run starts the process.
func (e *Envoy) run(binary string, o Options) error {
	config := filepath.Join(e.dir, e.name+".yaml")
	if err := os.WriteFile(config, []byte(o.Bootstrap), 0o600); err != nil {
		close(e.exited)
		return fmt.Errorf("envoy: %w", err)
	}
	levels := "wasm:info"
	if o.LogLevels != "" {
		levels += "," + o.LogLevels
	}
	args := []string{
		"-c", config,
		"--admin-address-path", e.adminAddressFile(),
		"--concurrency", strconv.Itoa(max(o.Concurrency, 1)),
		"--log-level", "warning",
		"--component-log-level", levels,
		// Several Envoys on one machine would fight over the shared memory
		// that hot restart needs.
		"--disable-hot-restart",
		// Access log lines are read back by who made the request.
		"--file-flush-interval-msec", "20",
	}
	if o.DrainTime > 0 {
		args = append(args, "--drain-strategy", "immediate", "--drain-time-s", strconv.Itoa(int(o.DrainTime.Seconds())))
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go func() {
		defer close(e.exited)
		// func-e has the kernel kill Envoy when the thread that started it
		// ends, so the thread must live as long as Envoy does.
		runtime.LockOSThread()
		e.exitErr = func_e.Run(ctx, args,
			api.EnvoyPath(binary), api.HomeDir(filepath.Join(e.dir, "func-e")), api.RunID(e.name),
			api.Out(io.Discard), api.EnvoyOut(&e.out), api.EnvoyErr(&e.err))
	}()
	return nil
}

func (e *Envoy) adminAddressFile() string { return filepath.Join(e.dir, e.name+".admin") }

// awaitReady returns when Envoy serves, exits, or ctx ends.
func (e *Envoy) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-e.exited:
			err := e.exitErr
			if err == nil {
				err = errors.New("exit status 0")
			}
			return &RefusedError{Name: e.name, Err: err, Log: e.err.String() + e.out.String()}
		case <-ctx.Done():
			return fmt.Errorf("envoy: %s is not ready: %w\n%s", e.name, context.Cause(ctx), e.err.String())
		case <-ticker.C:
		}
		if e.admin == "" {
			address, err := os.ReadFile(e.adminAddressFile())
			if err != nil || len(address) == 0 {
				continue
			}
			e.admin = strings.TrimSpace(string(address))
		}
		if _, err := e.Admin(ctx, http.MethodGet, "/ready"); err != nil {
			continue
		}
		return e.readListeners(ctx)
	}
}

// Stop ends the process, waits until it is gone and removes its files. It may
// be called more than once.
func (e *Envoy) Stop() error {
	var err error
	e.stopOnce.Do(func() {
		if e.cancel != nil {
			e.cancel()
		}
		<-e.exited
		if e.temporary {
			err = os.RemoveAll(e.dir)
		}
	})
	return err
}

// Exited is closed when the process is gone, by Stop or by itself.
func (e *Envoy) Exited() <-chan struct{} { return e.exited }

// Log is what Envoy logs: its standard error.
func (e *Envoy) Log() *Log { return &e.err }

// AccessLog is Envoy's standard output, where Bootstrap puts the access log,
// one JSON object a line.
func (e *Envoy) AccessLog() *Log { return &e.out }
