// Command gcbench measures what TinyGo's garbage collectors do to latency and memory in stock Envoy.
//
//	ENVOY_PATH=$(toolchain/envoy.sh) go run ./toolchain/gcbench -gc conservative,conservative@1000 -duration 60s
//
// A collector is named as in build-filter.sh's PALISADE_GC; "@N" has the filter collect after every N requests;
// "no-filter" is Envoy alone, to see what the machine can do.
// Envoy runs one worker on the first CPU, the load comes from the second at a steady rate, whatever the answers do.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/openloop"
)

var (
	collectors  = flag.String("gc", "leaking,conservative,precise,nottinygc", "collectors to compare")
	duration    = flag.Duration("duration", 15*time.Second, "load on each")
	rate        = flag.Int("rate", 30_000, "requests per second")
	work        = flag.String("work", "none", "what the filter does: none, or headers: reads all and adds one")
	live        = flag.Int("live", 0, "kilobytes that the filter holds on to")
	connections = flag.Int("connections", 30, "connections that share the rate")
	dir         = flag.String("dir", "build/gcbench", "where modules, configurations and logs go")
)

const exports = "proxy_abi_version_0_2_0,proxy_on_memory_allocate,proxy_on_context_create,proxy_on_vm_start," +
	"proxy_on_configure,proxy_on_request_headers,proxy_on_delete,_initialize,memory"

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gcbench:", err)
		os.Exit(1)
	}
}

func run() error {
	envoy := os.Getenv("ENVOY_PATH")
	if envoy == "" {
		return fmt.Errorf("ENVOY_PATH is not set: ENVOY_PATH=$(toolchain/envoy.sh)")
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	pin(os.Getpid(), 1)
	fmt.Println("| collector | answered/s | failed, unanswered | p50 ms | p99 ms | p99.9 ms | max ms | RSS MB, early | RSS MB, end | CPU us/request | one collection us |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for name := range strings.SplitSeq(*collectors, ",") {
		row, err := measure(envoy, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(row)
	}
	return nil
}

// pin keeps a process on one CPU, where there is taskset(1) and more than one CPU.
func pin(pid, cpu int) {
	if cpu < runtime.NumCPU() {
		_ = exec.Command("taskset", "-a", "-p", "-c", strconv.Itoa(cpu), strconv.Itoa(pid)).Run()
	}
}

func measure(envoy, name string) (string, error) {
	gc, every, found := strings.Cut(name, "@")
	if !found {
		every = "0"
	}
	disabled := gc == "no-filter"
	if disabled {
		gc = "leaking" // never run
	}
	module, err := filepath.Abs(filepath.Join(*dir, gc+".wasm"))
	if err != nil {
		return "", err
	}
	build := exec.Command("toolchain/build-filter.sh", "toolchain/gcbench/filter", module, exports)
	build.Env = append(os.Environ(), "PALISADE_GC="+gc)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	configuration := filepath.Join(*dir, name+".yaml")
	err = os.WriteFile(configuration, fmt.Appendf(nil, bootstrap, port, disabled, fmt.Sprintf("%s %s %d", every, *work, *live), module), 0o600)
	if err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(*dir, name+".log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(envoy, "-c", configuration, "--concurrency", "1", "--use-dynamic-base-id",
		"-l", "warning", "--component-log-level", "wasm:info")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the death signal comes when this thread ends
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := waitFor(address); err != nil {
		return "", fmt.Errorf("%w; see %s", err, log.Name())
	}
	pin(cmd.Process.Pid, 0)

	var early int
	early10 := time.AfterFunc(*duration/6, func() { early = rss(cmd.Process.Pid) })
	defer early10.Stop()
	before := cpu(cmd.Process.Pid)
	result, err := openloop.Load{
		Address: address, Request: request(), Status: http.StatusOK, Rate: *rate, Connections: *connections, Duration: *duration,
	}.Run(context.Background())
	if err != nil {
		return "", fmt.Errorf("%w; see %s", err, log.Name())
	}
	used := cpu(cmd.Process.Pid) - before
	end := rss(cmd.Process.Pid)
	if result.Answered() == 0 {
		return "", fmt.Errorf("not one answer; see %s", log.Name())
	}
	latencies := result.Sorted()
	quantile := func(share float64) float64 {
		return float64(openloop.Quantile(latencies, share).Microseconds()) / 1000
	}
	return fmt.Sprintf("| %s | %.0f | %d, %d | %.2f | %.2f | %.2f | %.1f | %d | %d | %.1f | %s |", name,
		float64(result.Answered())/duration.Seconds(), result.Failed, result.Unanswered, quantile(.5), quantile(.99), quantile(.999), quantile(1),
		early, end, float64(used.Microseconds())/float64(result.Answered()), pause(log.Name())), nil
}

// pause finds what the filter logged about one collection at its start: least and median of several.
func pause(log string) string {
	text, _ := os.ReadFile(log)
	_, after, found := strings.Cut(string(text), "one collection: ")
	if !found {
		return ""
	}
	line, _, _ := strings.Cut(after, "\n")
	return line
}

// request is what a browser may send.
func request() []byte {
	token := ""
	if *work != "none" {
		token = "authorization: Bearer " + strings.Repeat("eyJhbGciOiJSUzI1NiJ9", 30) + "\r\n"
	}
	return []byte("GET /records/17?verbose=1 HTTP/1.1\r\nhost: database.example.org\r\n" +
		"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\naccept: application/json\r\n" +
		"accept-encoding: gzip, deflate, br\r\nx-request-start: 1767225600\r\n" +
		token + "\r\n")
}

func waitFor(address string) error {
	var last error
	for range 100 {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("no answer from Envoy on %s: %w", address, last)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// rss is a process's resident memory in megabytes, 0 where there is no /proc.
func rss(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
	var kilobytes int
	_, _ = fmt.Sscan(string(after), &kilobytes)
	return kilobytes / 1024
}

// cpu is the processor time that a process has used.
func cpu(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

const bootstrap = `static_resources:
  listeners:
  - name: load
    address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: load
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ok}}}]
          http_filters:
          - name: measured
            disabled: %t
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                failure_policy: FAIL_CLOSED
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: "%s"}
                vm_config: {runtime: envoy.wasm.runtime.v8, code: {local: {filename: %q}}}
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`
