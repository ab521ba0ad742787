package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
)

const (
	// soakSamples is how often memory is looked at.
	soakSamples = 200
	// soakWindow is how many samples in a row make a figure: the median, since what V8 and the allocator do comes and goes.
	soakWindow = soakSamples / 10
	// soakWrong is the share of requests that may be answered otherwise than expected. With new requests without end, chance now and
	// then makes one that a rule takes for an attack.
	soakWrong = 0.001
)

// runSoak sends requests that never repeat, and sees whether Envoy's memory still grows in the second half.
func runSoak(ctx context.Context, args []string) error {
	o := &wafOptions{}
	f := flag.NewFlagSet("bench waf-soak", flag.ContinueOnError)
	requests := f.Int("requests", 1_000_000, "how many, of the mixed scenario")
	growth := f.Float64("growth", 3, "by how many percent memory may grow in the second half")
	workers := f.Int("workers", 1, "how many workers Envoy has, so that all CPUs are used")
	module := f.String("module", "", "the `file` of a module other than build/waf-filter.wasm")
	f.StringVar(&o.config, "config", wafConfig, "what it is configured with")
	f.IntVar(&o.connections, "connections", 4, "how many requests are under way at a time")
	f.StringVar(&o.dir, "dir", "build/bench/waf", "where configurations and logs go")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *requests < soakSamples {
		return fmt.Errorf("-requests: at least %d", soakSamples)
	}
	if *workers < 1 {
		return errors.New("-workers: at least one")
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	column, err := o.wafColumn(wafColumnName, *module)
	if err != nil {
		return err
	}
	upstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer upstream.Close()
	w := &wafBench{options: o, columns: []wafColumn{column}, upstream: upstream}
	p, err := w.start(ctx, &column, "-soak", column.config, *workers)
	if err != nil {
		return err
	}
	defer p.stop()
	memory, wrong, err := soak(ctx, p, *requests, o.connections)
	if err != nil {
		return fmt.Errorf("%w; see %s", err, p.log)
	}
	return judge(memory, wrong, *requests, *growth)
}

// soak returns the memory, in MB, at each sample.
func soak(ctx context.Context, p *proxy, requests, connections int) (memory []float64, wrong []error, err error) {
	mixed := scenarioNamed("mixed")
	part := 0
	f := &feeder{pool: mixed.Pool(), block: 1, mostWrong: int(soakWrong * float64(requests)), refill: func() []traffic.Request {
		part++
		return mixed.Part(part)
	}}
	for i := range soakSamples {
		f.begin(0, requests/soakSamples)
		if _, err := drive(ctx, f, p.address, connections); err != nil {
			return nil, f.wrong, err
		}
		rss, err := p.memory("VmRSS")
		if err != nil {
			return nil, f.wrong, err
		}
		memory = append(memory, float64(rss))
		if i%soakWindow == soakWindow-1 {
			progress("%d requests: %d MB\n", f.at, rss)
		}
	}
	return memory, f.wrong, nil
}

// judge compares the memory right after the first half with that at the end.
func judge(memory []float64, wrong []error, requests int, growth float64) error {
	half, end := len(memory)/2, len(memory)
	before, after := newSpread(memory[half:half+soakWindow]).Median, newSpread(memory[end-soakWindow:]).Median
	fmt.Printf("%d requests, of which %d were answered otherwise than expected. Memory: %.0f MB after the first sample, %.0f MB after half of "+
		"them, %.0f MB at the end, %.0f MB at most.\n", requests, len(wrong), memory[0], before, after, slices.Max(memory))
	for _, err := range wrong[:min(len(wrong), maxShown)] {
		progress("%v\n", err)
	}
	if after > before*(1+growth/100) {
		return errors.New("memory still grows in the second half")
	}
	return nil
}
