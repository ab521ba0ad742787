package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/openloop"
)

// steadyOptions are what the flags of bench steady say.
type steadyOptions struct {
	rate, connections int
	duration, turn    time.Duration
	pause             time.Duration // what is above counts as one
	scenarios         *regexp.Regexp
	dir, file, output string
}

func parseSteady(args []string) (*steadyOptions, error) {
	o := &steadyOptions{scenarios: regexp.MustCompile(expressionOf([]string{"native-row-cached", "palisade-cached"}))}
	f := flag.NewFlagSet("bench steady", flag.ContinueOnError)
	f.IntVar(&o.rate, "rate", 20_000, "requests per second")
	f.IntVar(&o.connections, "connections", 32, "how many share the rate")
	f.DurationVar(&o.duration, "duration", 10*time.Minute, "how long each scenario has the load, in all")
	f.DurationVar(&o.turn, "turn", 5*time.Second, "how long it has it at a time")
	f.DurationVar(&o.pause, "pause", 5*time.Millisecond, "what latency above it counts as a pause")
	f.Func("scenarios", "a `regular expression`: which to run, beside the same request without filters", expression(&o.scenarios))
	f.StringVar(&o.output, "o", "markdown", "what to print: markdown or json")
	f.StringVar(&o.file, "file", "build/bench-steady.json", "where the figures go")
	f.StringVar(&o.dir, "dir", "build/bench/steady", "where configurations and logs go")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case o.rate < 1:
		return nil, errors.New("-rate: at least one")
	case o.connections < 1:
		return nil, errors.New("-connections: at least one")
	case o.turn <= 0 || o.duration < o.turn:
		return nil, errors.New("-turn: above zero, and no longer than -duration")
	}
	return o, checkOutput(o.output)
}

// rounds is how many turns each scenario has.
func (o *steadyOptions) rounds() int { return int(o.duration / o.turn) }

// chosen are the scenarios that are wanted, and, before each, the same request without filters: the control, of which each pause is the
// machine's.
func (o *steadyOptions) chosen() ([]scenario, error) {
	needed := map[string]bool{}
	for _, s := range scenarios() {
		switch {
		case !o.scenarios.MatchString(s.name):
		case s.request.Tokens != nil || s.status != http.StatusOK:
			return nil, fmt.Errorf("-scenarios: %s has no one request that is allowed", s.name)
		default:
			needed[s.name], needed[s.base()] = true, true
		}
	}
	if len(needed) == 0 {
		return nil, fmt.Errorf("-scenarios %s: there is none of that name", o.scenarios)
	}
	return slices.DeleteFunc(scenarios(), func(s scenario) bool { return !needed[s.name] }), nil
}

// runSteady has latencies at a rate that does not depend on the answers, pauses, and memory over time.
func runSteady(ctx context.Context, args []string) error {
	o, err := parseSteady(args)
	if err != nil {
		return err
	}
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	if err := ready(o.dir, map[string]string{"taskset": "util-linux"}); err != nil {
		return err
	}
	r := &steadyReport{
		conditions: newConditions(o.rounds(), o.turn.Seconds(), o.connections), Rate: o.rate, Pause: o.pause.Seconds() * 1000,
	}
	b, err := startBench(ctx, o.dir, chosen, r.Pinned)
	if err != nil {
		return err
	}
	defer b.stop()
	progress("%d scenarios, %v each in turns of %v\n", len(chosen), o.duration, o.turn)
	before := procStat()
	if r.Rows, err = o.measure(ctx, b); err != nil {
		return err
	}
	r.Ratios = newSteadyRatios(comparisons(), r.Rows, o.rate)
	if err := r.end(ctx, before, b.proxies[0]); err != nil {
		return err
	}
	return writeFigures(r, o.file, o.output)
}

// measure takes turns as bench.measure does.
func (o *steadyOptions) measure(ctx context.Context, b *bench) ([]steadyRow, error) {
	turns := make([][]steadyTurn, len(b.scenarios))
	latencies := make([][]time.Duration, len(b.scenarios))
	for round := range o.rounds() + 1 {
		progress("round %d of %d, p99 us:", round, o.rounds())
		for k := range b.scenarios {
			// Each is the first as often as the others.
			i := (k + round) % len(b.scenarios)
			s := b.scenarios[i]
			one, all, err := o.turnOf(ctx, b.proxies[i], s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w; see %s", s.name, err, b.proxies[i].log)
			}
			progress(" %s %.0f", s.name, one.P99)
			if round > 0 { // the first warms up
				turns[i] = append(turns[i], one)
				latencies[i] = append(latencies[i], all...)
			}
		}
		progress("\n")
	}
	rows := make([]steadyRow, len(b.scenarios))
	for i, s := range b.scenarios {
		slices.Sort(latencies[i])
		rows[i] = newSteadyRow(s.name, turns[i], latencies[i])
	}
	return rows, nil
}

func (o *steadyOptions) turnOf(ctx context.Context, p *proxy, s scenario) (steadyTurn, []time.Duration, error) {
	wire, err := s.request.wire(ctx)
	if err != nil {
		return steadyTurn{}, nil, err
	}
	before, err := p.used(ctx)
	if err != nil {
		return steadyTurn{}, nil, err
	}
	result, err := openloop.Load{
		Address: p.address, Request: wire, Status: s.status, Rate: o.rate, Connections: o.connections, Duration: o.turn,
	}.Run(ctx)
	if err != nil {
		return steadyTurn{}, nil, err
	}
	if result.Failed > 0 {
		return steadyTurn{}, nil, fmt.Errorf("%d of %d requests: %s", result.Failed, len(result.Latencies), result.Why)
	}
	after, err := p.used(ctx)
	if err != nil {
		return steadyTurn{}, nil, err
	}
	rss, err := p.memory("VmRSS")
	sorted := result.Sorted()
	turn := newSteadyTurn(result, sorted, o.pause)
	turn.CPU = float64((after.cpu - before.cpu).Nanoseconds()) / 1000 / float64(after.requests-before.requests)
	turn.Waited = 100 * (after.waited - before.waited).Seconds() / result.Took.Seconds()
	turn.RSS = rss
	return turn, sorted, err
}
