package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
)

// wafOptions are what `make bench-waf` may be told.
type wafOptions struct {
	rounds, connections, starts int
	turn                        time.Duration
	scenarios, columns          *regexp.Regexp
	modules                     []wafColumn
	config                      string // of waf-filter and of modules
	all                         bool
	output, file, dir           string
}

// wafConfig is what waf-filter is measured with; the peer has the same rules, see wafpeer.Profile.
const wafConfig = `{"profile": "crs-pl1"}`

func parseWAF(args []string) (*wafOptions, error) {
	o := &wafOptions{scenarios: regexp.MustCompile(""), columns: regexp.MustCompile("")}
	f := flag.NewFlagSet("bench waf", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "how often each scenario has its turn")
	f.DurationVar(&o.turn, "turn", time.Second, "how long a turn is; the requests that are under way then, and the rest of their block, are sent")
	f.IntVar(&o.connections, "connections", 4, "how many requests are under way at a time")
	f.IntVar(&o.starts, "starts", 2, "how often each Envoy is started to see how long that takes; 0: leave start and memory out")
	f.Func("scenarios", "a `regular expression`: which to run", expression(&o.scenarios))
	f.Func("columns", "a `regular expression`: which filters to measure, beside "+baseline, expression(&o.columns))
	f.Func("module", "`name=file`: a further build of waf-filter, as a column of its own; may be repeated", func(text string) error {
		name, file, found := strings.Cut(text, "=")
		if !found || name == "" {
			return fmt.Errorf("expected name=file")
		}
		o.modules = append(o.modules, wafColumn{name: name, file: file})
		return nil
	})
	f.StringVar(&o.config, "config", wafConfig, "what waf-filter, and each -module, is configured with")
	f.BoolVar(&o.all, "all", false, "send each request that there is once and see how it is answered, measure nothing")
	f.StringVar(&o.output, "o", "markdown", "what to print: markdown or json")
	f.StringVar(&o.file, "file", "build/bench-waf.json", "where the figures go")
	f.StringVar(&o.dir, "dir", "build/bench/waf", "where configurations and logs go")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %s", f.Arg(0))
	case o.rounds < 1:
		return nil, fmt.Errorf("-rounds: at least one")
	case o.connections < 1:
		return nil, fmt.Errorf("-connections: at least one")
	}
	return o, checkOutput(o.output)
}

func expression(into **regexp.Regexp) func(string) error {
	return func(text string) (err error) {
		*into, err = regexp.Compile(text)
		return err
	}
}

// runWAF measures waf-filter next to coraza-proxy-wasm, or sees that they answer alike.
func runWAF(ctx context.Context, args []string) error {
	o, err := parseWAF(args)
	if err != nil {
		return err
	}
	if err := ready(o.dir, map[string]string{"taskset": "util-linux"}); err != nil {
		return err
	}
	columns, err := o.chosenColumns()
	if err != nil {
		return err
	}
	workloads, err := o.workloads()
	if err != nil {
		return err
	}
	upstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer upstream.Close()
	w := &wafBench{options: o, columns: columns, workloads: workloads, upstream: upstream}
	defer w.stop()
	if o.all {
		return w.sendAll(ctx)
	}
	r := &wafReport{conditions: newConditions(o.rounds, o.turn.Seconds(), o.connections)}
	if o.starts > 0 {
		// First, while this process may still use all CPUs and no other Envoy is there.
		if r.Starts, err = w.measureStarts(ctx); err != nil {
			return err
		}
	}
	before := procStat()
	if r.Rows, err = w.measure(ctx); err != nil {
		return err
	}
	if err := r.end(ctx, before, w.proxies[0]); err != nil {
		return err
	}
	return writeFigures(r, o.file, o.output)
}

// workload is a scenario with its requests.
type workload struct {
	traffic.Scenario
	pool []traffic.Request
}

func (o *wafOptions) workloads() ([]workload, error) {
	var list []workload
	for _, s := range traffic.Scenarios() {
		if o.scenarios.MatchString(s.Name) {
			list = append(list, workload{s, s.Pool()})
		}
	}
	if list == nil {
		return nil, fmt.Errorf("-scenarios %s: there is none of that name", o.scenarios)
	}
	return list, nil
}

// scenarioNamed is one of those that there are, wanted or not.
func scenarioNamed(name string) traffic.Scenario {
	all := traffic.Scenarios()
	return all[slices.IndexFunc(all, func(s traffic.Scenario) bool { return s.Name == name })]
}

// fileName is what a column's files are called.
func (o *wafOptions) fileName(name string) string {
	return cmp.Or(strings.Map(func(c rune) rune {
		if c == filepath.Separator {
			return '-'
		}
		return c
	}, name), "column")
}
