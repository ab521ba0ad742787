package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// connections is how many wrk has. Each has one request under way, so this is also how many Envoy sees at once.
const connections = 8

// timeout is when wrk gives up on an answer. Its default of 2 s is what eight slow requests in a row may well take.
const timeout = 10 * time.Second

// scriptFile is where wrk finds script.
const scriptFile = "wrk.lua"

//go:embed wrk.lua
var script []byte

// load is what wrk saw.
type load struct {
	Requests     int `json:"requests"`
	Microseconds int `json:"microseconds"`
	WrongStatus  int `json:"wrongStatus"`
	SocketErrors int `json:"socketErrors"`
	// Latencies are in microseconds.
	P50  int `json:"p50"`
	P99  int `json:"p99"`
	P999 int `json:"p99.9"`
	Max  int `json:"max"`
}

// perSecond is the throughput.
func (l load) perSecond() float64 { return float64(l.Requests) / (float64(l.Microseconds) / 1e6) }

// runWrk sends a request for so long, as fast as it is answered. Any answer but the expected one is an error.
// tokenFile has the request's Tokens, one a line; "" if it has none.
func runWrk(
	ctx context.Context, scriptFile, address string, r request, tokenFile string, status int, duration time.Duration,
) (load, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(connections), "-d" + seconds(duration), "--timeout", seconds(timeout),
		"-s", scriptFile, "-H", "Host: " + r.Host}
	for name, value := range r.Headers {
		args = append(args, "-H", name+": "+value)
	}
	args = append(args, "http://"+address+r.Path, "--", strconv.Itoa(status), tokenFile)
	out, err := exec.CommandContext(ctx, "wrk", args...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

// seconds is a duration as wrk takes it: whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

// parseWrk finds the line of wrk.lua in what wrk printed.
func parseWrk(out string) (load, error) {
	_, after, found := strings.Cut(out, "\nwrk.lua: ")
	if !found {
		return load{}, fmt.Errorf("wrk: no result in its output: %s", out)
	}
	line, _, _ := strings.Cut(after, "\n")
	var l load
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		return load{}, fmt.Errorf("wrk: %w in %s", err, line)
	}
	switch {
	case l.WrongStatus > 0:
		return load{}, fmt.Errorf("wrk: %d of %d responses have another status than expected", l.WrongStatus, l.Requests)
	case l.SocketErrors > 0:
		return load{}, fmt.Errorf("wrk: %d requests failed or took more than %v", l.SocketErrors, timeout)
	case l.Requests == 0 || l.Microseconds == 0:
		return load{}, fmt.Errorf("wrk: not one answer in %d us", l.Microseconds)
	}
	return l, nil
}
