package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// proxy is a running Envoy. stop must be called.
type proxy struct {
	cmd     *exec.Cmd
	exited  chan error
	log     string // file
	admin   string
	address string
}

// startProxy returns when Envoy accepts connections. Its files go to dir, under name. The context bounds the start. under
// is a command that runs Envoy, if any.
func startProxy(ctx context.Context, dir, name, bootstrap string, workers int, under ...string) (*proxy, error) {
	binary, err := envoy.Binary()
	if err != nil {
		return nil, err
	}
	config, adminFile := filepath.Join(dir, name+".json"), filepath.Join(dir, name+".admin")
	if err := os.WriteFile(config, []byte(bootstrap), 0o600); err != nil {
		return nil, err
	}
	if err := os.Remove(adminFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p := &proxy{log: log.Name(), exited: make(chan error, 1)}
	command := append(slices.Clone(under), binary, "-c", config, "--admin-address-path", adminFile, "--concurrency", strconv.Itoa(workers),
		"--disable-hot-restart", "--log-level", "warning")
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// An Envoy does not outlive this process, however that ends; main holds on to the thread that this is about.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exited <- p.cmd.Wait() }()
	if err := p.awaitReady(ctx, adminFile); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *proxy) awaitReady(ctx context.Context, adminFile string) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-p.exited:
			p.exited <- err
			return fmt.Errorf("envoy exited before it was ready (%w): %s", err, p.lastWords())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		if p.admin == "" {
			address, err := os.ReadFile(adminFile)
			if err != nil || len(address) == 0 {
				continue
			}
			p.admin = strings.TrimSpace(string(address))
		}
		if _, err := p.adminGet(ctx, "/ready"); err != nil {
			continue
		}
		return p.findListener(ctx)
	}
}

func (p *proxy) findListener(ctx context.Context) error {
	body, err := p.adminGet(ctx, "/listeners?format=json")
	if err != nil {
		return err
	}
	var reply struct {
		Statuses []struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &reply); err != nil || len(reply.Statuses) != 1 {
		return fmt.Errorf("envoy's admin interface does not list one listener: %s", body)
	}
	socket := reply.Statuses[0].Address.Socket
	p.address = net.JoinHostPort(socket.Address, strconv.Itoa(socket.Port))
	return nil
}

// version is Envoy's, such as "1.40.0".
func (p *proxy) version(ctx context.Context) (string, error) {
	body, err := p.adminGet(ctx, "/server_info")
	if err != nil {
		return "", err
	}
	var reply struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return "", fmt.Errorf("envoy's admin interface: /server_info: %w", err)
	}
	// "<commit>/1.40.0/Clean/RELEASE/BoringSSL"
	if parts := strings.Split(reply.Version, "/"); len(parts) > 1 {
		return parts[1], nil
	}
	return reply.Version, nil
}

func (p *proxy) adminGet(ctx context.Context, path string) ([]byte, error) {
	status, body, err := get(ctx, "http://"+p.admin+path, request{})
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("envoy's admin interface: %s: status %d", path, status)
	}
	return body, err
}

// ask sends the request once; an answer with another status than expected is an error.
func (p *proxy) ask(ctx context.Context, r request, expected int) error {
	status, body, err := get(ctx, "http://"+p.address+r.Path, r)
	if err != nil {
		return fmt.Errorf("%w; see %s", err, p.log)
	}
	if status != expected {
		return fmt.Errorf("GET %s%s: status %d, want %d: %s; see %s", r.Host, r.Path, status, expected, body, p.log)
	}
	return nil
}

// useUp sends the requests that are to come before the first that counts. Some are answered, some refused.
func (p *proxy) useUp(ctx context.Context, r request) error {
	for range r.Before {
		if _, _, err := get(ctx, "http://"+p.address+r.Path, r); err != nil {
			return fmt.Errorf("%w; see %s", err, p.log)
		}
	}
	return nil
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func newRequest(ctx context.Context, url string, r request) (*http.Request, error) {
	out, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	out.Host = r.Host
	for name, value := range r.Headers {
		out.Header.Set(name, value)
	}
	return out, nil
}

// wire is the request as it is sent. Its Tokens do not take turns there.
func (r request) wire(ctx context.Context) ([]byte, error) {
	out, err := newRequest(ctx, "http://"+r.Host+r.Path, r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = out.Write(&b)
	return b.Bytes(), err
}

func get(ctx context.Context, url string, r request) (status int, body []byte, err error) {
	out, err := newRequest(ctx, url, r)
	if err != nil {
		return 0, nil, err
	}
	in, err := client.Do(out)
	if err != nil {
		return 0, nil, err
	}
	defer in.Body.Close()
	body, err = io.ReadAll(in.Body)
	return in.StatusCode, body, err
}

// stop kills Envoy: an orderly end would first take down its VMs, which nobody waits for here.
func (p *proxy) stop() {
	_ = p.cmd.Process.Kill()
	err := <-p.exited
	p.exited <- err
}

// lastWords is the end of Envoy's log.
func (p *proxy) lastWords() string {
	text, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}

// usage is what Envoy has done so far.
type usage struct {
	requests int
	cpu      time.Duration
	waited   time.Duration // for a CPU
}

// used waits until no connection is left. The requests that wrk did not wait for at its end have cost processor time
// too, so Envoy counts them, not wrk.
func (p *proxy) used(ctx context.Context) (usage, error) {
	const prefix = "http." + listenerName + "."
	for {
		text, err := p.adminGet(ctx, "/stats?filter=^http."+listenerName+".downstream_(rq_total|cx_active)$")
		if err != nil {
			return usage{}, err
		}
		stats := string(text)
		active, err := stat(stats, prefix+"downstream_cx_active")
		if err != nil {
			return usage{}, err
		}
		if active > 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		requests, err := stat(stats, prefix+"downstream_rq_total")
		if err != nil {
			return usage{}, err
		}
		cpu, waited, err := p.cpu()
		return usage{requests: requests, cpu: cpu, waited: waited}, err
	}
}

// stat finds a number in what the admin interface lists, "name: 17" on a line each.
func stat(stats, name string) (int, error) {
	for line := range strings.Lines(stats) {
		if value, found := strings.CutPrefix(line, name+": "); found {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("envoy has no statistic %s", name)
}

// cpu is the processor time that all threads of Envoy have used, and for how long they waited for it. Linux counts it in
// nanoseconds for each thread; what it sums up for a process is in hundredths of a second.
func (p *proxy) cpu() (used, waited time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, 0, err
		}
		var ran, ready int64
		if _, err := fmt.Sscan(string(text), &ran, &ready); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", file, err)
		}
		used += time.Duration(ran)
		waited += time.Duration(ready)
	}
	if used == 0 {
		return 0, 0, errors.New("this system does not count the processor time of threads (/proc/<pid>/task/*/schedstat)")
	}
	return used, waited, nil
}

// memory is Envoy's resident memory in megabytes, now ("VmRSS") or at most so far ("VmHWM").
func (p *proxy) memory(field string) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(status, []byte(field+":"))
	var kilobytes int
	if _, err := fmt.Sscan(string(after), &kilobytes); err != nil {
		return 0, fmt.Errorf("/proc/<pid>/status: %s: %w", field, err)
	}
	return kilobytes / 1024, nil
}

// pin keeps a process, with all its threads, on one CPU.
func pin(pid, cpu int) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", strconv.Itoa(cpu), strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}
