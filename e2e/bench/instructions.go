package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// instructionsWarmUp is how many requests do not count: V8 optimizes what it has seen run, in the background.
	instructionsWarmUp = 3000
	// instructionsCounted is how many do. Envoy's timers run meanwhile, too, so few would not do.
	instructionsCounted = 2000
)

// instructions are what all of Envoy's threads run for a request of a scenario, counted by callgrind. Unlike time, they
// hardly depend on what else a machine does.
type instructions struct {
	Name       string  `json:"name"`
	Base       string  `json:"base"`
	PerRequest float64 `json:"perRequest"`
	Added      float64 `json:"added"` // above the base's
}

// countAll has one Envoy after the other: under callgrind each takes some 50 times as long as without.
func countAll(ctx context.Context, dir string, scenarios []scenario) (results []instructions, version string, err error) {
	for _, s := range scenarios {
		progress("counting %s:", s.name)
		var n float64
		if n, version, err = count(ctx, dir, s); err != nil {
			return nil, "", fmt.Errorf("%s: %w", s.name, err)
		}
		progress(" %.1f k instructions/request\n", n/1000)
		results = append(results, instructions{Name: s.name, Base: s.base(), PerRequest: n})
	}
	return addedTo(results), version, nil
}

// addedTo fills in what is added to the bases, which are among them.
func addedTo(counted []instructions) []instructions {
	perRequest := map[string]float64{}
	for _, c := range counted {
		perRequest[c.Name] = c.PerRequest
	}
	for i := range counted {
		counted[i].Added = counted[i].PerRequest - perRequest[counted[i].Base]
	}
	return counted
}

// count tells also what version of Envoy it was.
func count(ctx context.Context, dir string, s scenario) (perRequest float64, version string, err error) {
	config, err := bootstrap(s.chain())
	if err != nil {
		return 0, "", err
	}
	c := callgrind{out: filepath.Join(dir, s.name+".callgrind")}
	p, err := startProxy(ctx, dir, s.name, config, 1, c.command()...)
	if err != nil {
		return 0, "", err
	}
	defer p.stop()
	if err := p.useUp(ctx, s.request); err != nil {
		return 0, "", err
	}
	if err := sendAll(ctx, p, s, instructionsWarmUp); err != nil {
		return 0, "", err
	}
	if _, err := c.dump(ctx, p); err != nil {
		return 0, "", err
	}
	if err := sendAll(ctx, p, s, instructionsCounted); err != nil {
		return 0, "", err
	}
	n, err := c.dump(ctx, p)
	if err != nil {
		return 0, "", err
	}
	version, err = p.version(ctx)
	return float64(n) / instructionsCounted, version, err
}

// instructionRatio is the added instructions of one scenario divided by those of another.
type instructionRatio struct {
	Of    string  `json:"of"`
	By    string  `json:"by"`
	Ratio float64 `json:"ratio"`
}

// newInstructionRatios leaves out comparisons with a scenario that was not counted.
func newInstructionRatios(comparisons []comparison, counted []instructions) []instructionRatio {
	added := map[string]float64{}
	for _, c := range counted {
		added[c.Name] = c.Added
	}
	var ratios []instructionRatio
	for _, c := range comparisons {
		of, by := added[c.of], added[c.by]
		if of != 0 && by > 0 {
			ratios = append(ratios, instructionRatio{c.of, c.by, of / by})
		}
	}
	return ratios
}

// sendAll sends requests over one connection, one after the other.
func sendAll(ctx context.Context, p *proxy, s scenario, n int) error {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	connection := &http.Client{Transport: transport}
	var tokens []string
	if s.request.Tokens != nil {
		tokens = s.request.Tokens()
	}
	for i := range n {
		r := s.request
		if tokens != nil {
			r.Headers = bearer(tokens[i%len(tokens)])
		}
		out, err := newRequest(ctx, "http://"+p.address+r.Path, r)
		if err != nil {
			return err
		}
		in, err := connection.Do(out)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, in.Body)
		if err := errors.Join(err, in.Body.Close()); err != nil {
			return err
		}
		if in.StatusCode != s.status {
			return fmt.Errorf("request %d: status %d, want %d; see %s", i, in.StatusCode, s.status, p.log)
		}
	}
	return nil
}

// callgrind counts the instructions of one process. It puts them into a file at each dump, and begins anew.
type callgrind struct {
	out   string
	dumps int
}

// command is what a process is started with, before its own.
func (c *callgrind) command() []string {
	return []string{"valgrind", "--tool=callgrind", "--callgrind-out-file=" + c.out}
}

// dump is what was counted since the one before.
func (c *callgrind) dump(ctx context.Context, p *proxy) (int64, error) {
	c.dumps++
	file := c.out + "." + strconv.Itoa(c.dumps)
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "callgrind_control", "-d", strconv.Itoa(p.cmd.Process.Pid)).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("callgrind_control: %w: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("callgrind left no dump (%w): %s", err, out)
	}
	return totalOf(string(text))
}

// totalOf finds the sum in a dump, "totals: 17" on a line.
func totalOf(dump string) (int64, error) {
	for line := range strings.Lines(dump) {
		if total, found := strings.CutPrefix(line, "totals: "); found {
			return strconv.ParseInt(strings.TrimSpace(total), 10, 64)
		}
	}
	return 0, errors.New("callgrind's dump has no line with totals")
}
