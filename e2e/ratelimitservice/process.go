package ratelimitservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// binary is the executable that a variable names.
func binary(variable, target string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return "", fmt.Errorf("ratelimitservice: %s does not name a binary: run `make e2e`, which sets it, "+
			"or `%[1]s=$(make -s %s) go test ...`", variable, target)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("ratelimitservice: %s: %w (`make -s %s` prints one that exists)", variable, err, target)
	}
	return path, nil
}

// process is a program of somebody else's. It ends at the latest when this
// one does.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	// err is how it ended, once exited is closed.
	err error
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	endWithParent(cmd)
	started := make(chan error, 1)
	go func() {
		// The parent that endWithParent means is a thread, which therefore must
		// live as long as the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("ratelimitservice: %w", err)
	}
	return p, nil
}

// errHopeless is wrapped by errors of a process that waiting does not help.
var errHopeless = errors.New("gave up")

// await returns when ready does not fail, or cannot but fail.
func (p *process) await(ctx context.Context, ready func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := ready()
		if err == nil || errors.Is(err, errHopeless) {
			return err
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it exited: %w", orExited(p.err))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

func orExited(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// kill ends the process, also one that is paused, and waits until it is gone.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // fails only if it is gone
	<-p.exited
}

func (p *process) pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("ratelimitservice: pause: %w", err)
	}
	return awaitStopped(p.cmd.Process.Pid)
}

func (p *process) resume() error {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("ratelimitservice: continue: %w", err)
	}
	return nil
}
