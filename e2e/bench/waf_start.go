package main

import (
	"context"
	"fmt"
	"time"
)

// wafStart is what a column's module is, how long it takes to start, and what memory it has.
type wafStart struct {
	Column      string `json:"column"`
	ModuleBytes int64  `json:"moduleBytes"`
	// Seconds are from starting Envoy to the first answer, Module the same without rules.
	Seconds spread `json:"seconds"`
	Module  spread `json:"secondsWithoutRules"`
	// RSS is Envoy's resident memory in megabytes after its first answer, with one worker, and after memoryRequests per worker with
	// one and with two; Peak the most that it had with one.
	RSS  int    `json:"rssMBFirst"`
	Used [2]int `json:"rssMB"`
	Peak int    `json:"peakMB"`
}

// memoryRequests are how many of the mixed requests each worker has had before its memory counts.
const memoryRequests = 200

// measureStarts starts each column's Envoys, on all CPUs, one column after the other in each round.
func (w *wafBench) measureStarts(ctx context.Context) ([]wafStart, error) {
	starts := make([]wafStart, len(w.columns))
	seconds, module := make([][]float64, len(w.columns)), make([][]float64, len(w.columns))
	first := &feeder{pool: scenarioNamed("get").Pool(), block: 1}
	for try := range w.options.starts {
		for i := range w.columns {
			c := &w.columns[i]
			progress("start %d of %d, %s:", try+1, w.options.starts, c.name)
			withRules, err := w.measureStart(ctx, c, c.config, first, func(p *proxy) (err error) {
				starts[i].RSS, err = p.memory("VmRSS")
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			without, err := w.measureStart(ctx, c, c.idle, first, func(*proxy) error { return nil })
			if err != nil {
				return nil, fmt.Errorf("%s without rules: %w", c.name, err)
			}
			seconds[i], module[i] = append(seconds[i], withRules.Seconds()), append(module[i], without.Seconds())
			progress(" %.2f s, %.2f s without rules\n", withRules.Seconds(), without.Seconds())
		}
	}
	for i := range w.columns {
		c, s := &w.columns[i], &starts[i]
		s.Column, s.Seconds, s.Module = c.name, newSpread(seconds[i]), newSpread(module[i])
		var err error
		if s.ModuleBytes, err = c.moduleBytes(); err != nil {
			return nil, err
		}
		if err := w.measureMemory(ctx, c, s); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		progress("memory of %s: %d MB with one worker, %d MB with two\n", c.name, s.Used[0], s.Used[1])
	}
	return starts, nil
}

func (w *wafBench) measureStart(ctx context.Context, c *wafColumn, config string, first *feeder, look func(*proxy) error) (time.Duration, error) {
	begin := time.Now()
	p, err := w.start(ctx, c, "-start", config, 1)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	first.begin(0, 1)
	if _, err := drive(ctx, first, p.address, 1); err != nil {
		return 0, err
	}
	return time.Since(begin), look(p)
}

func (w *wafBench) measureMemory(ctx context.Context, c *wafColumn, s *wafStart) error {
	mixed := scenarioNamed("mixed").Pool()
	for i := range s.Used {
		p, err := w.start(ctx, c, "-start", c.config, i+1)
		if err != nil {
			return err
		}
		defer p.stop()
		f := &feeder{pool: c.expected(mixed), block: 1}
		f.begin(0, memoryRequests*(i+1))
		if _, err := drive(ctx, f, p.address, w.options.connections); err != nil {
			return err
		}
		if s.Used[i], err = p.memory("VmRSS"); err != nil {
			return err
		}
		if i == 0 {
			if s.Peak, err = p.memory("VmHWM"); err != nil {
				return err
			}
		}
	}
	return nil
}
