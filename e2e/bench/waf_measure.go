package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// wafBench has the Envoys of all columns.
type wafBench struct {
	options   *wafOptions
	columns   []wafColumn
	workloads []workload
	upstream  net.Listener
	proxies   []*proxy // of each column
}

// wafStartLimit is how long an Envoy may take until it is ready.
const wafStartLimit = time.Minute

func (w *wafBench) start(ctx context.Context, c *wafColumn, name, config string, workers int) (*proxy, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wafStartLimit, fmt.Errorf("not ready after %v", wafStartLimit))
	defer cancel()
	text, err := c.bootstrap(config, w.upstream.Addr())
	if err != nil {
		return nil, err
	}
	return startProxy(ctx, w.options.dir, w.options.fileName(c.name+name), text, workers)
}

// startAll starts an Envoy for each column.
func (w *wafBench) startAll(ctx context.Context) error {
	for i := range w.columns {
		c := &w.columns[i]
		progress("starting %s\n", c.name)
		p, err := w.start(ctx, c, "", c.config, 1)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		w.proxies = append(w.proxies, p)
	}
	return nil
}

func (w *wafBench) stop() {
	for _, p := range w.proxies {
		p.stop()
	}
}

// wafSample is one scenario and column in one round.
type wafSample struct {
	*turnResult
	cpu float64 // microseconds of Envoy's per request
}

// measure takes turns as bench.measure does: every round has each scenario once, with one column after the other.
//
// The columns' requests are those of the same row, in the same order, but who is faster gets further.
func (w *wafBench) measure(ctx context.Context) ([]wafRow, error) {
	if err := w.startAll(ctx); err != nil {
		return nil, err
	}
	for _, p := range w.proxies {
		if err := pinEnvoy(p); err != nil {
			return nil, err
		}
	}
	if err := pinLoad(); err != nil {
		return nil, err
	}
	feeders := make([][]*feeder, len(w.workloads))
	samples := make([][][]wafSample, len(w.workloads)) // by scenario, column and round
	for i, l := range w.workloads {
		samples[i] = make([][]wafSample, len(w.columns))
		for _, c := range w.columns {
			feeders[i] = append(feeders[i], &feeder{pool: c.expected(l.pool), block: l.Block})
		}
	}
	for round := range w.options.rounds + 1 {
		if round == 0 {
			progress("warming up, us/request")
		} else {
			progress("round %d of %d, us/request", round, w.options.rounds)
		}
		for i, l := range w.workloads {
			progress("; %s:", l.Name)
			for k := range w.columns {
				// Each is the first as often as the others.
				j := (k + round) % len(w.columns)
				one, err := w.sample(ctx, w.proxies[j], feeders[i][j])
				if err != nil {
					return nil, fmt.Errorf("%s: %w; see %s", w.columns[j].name, err, w.proxies[j].log)
				}
				progress(" %s %.0f", w.columns[j].name, one.cpu)
				if round > 0 { // the first warms up
					samples[i][j] = append(samples[i][j], one)
				}
			}
		}
		progress("\n")
	}
	return w.rows(samples)
}

func (w *wafBench) rows(samples [][][]wafSample) ([]wafRow, error) {
	var names []string
	for _, l := range w.workloads {
		names = append(names, l.Name)
	}
	rows := newWAFRows(names, w.columns, samples)
	for i := range rows {
		var err error
		if rows[i].RSS, err = w.proxies[i%len(w.columns)].memory("VmRSS"); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (w *wafBench) sample(ctx context.Context, p *proxy, f *feeder) (wafSample, error) {
	before, err := p.used(ctx)
	if err != nil {
		return wafSample{}, err
	}
	f.begin(w.options.turn, 0)
	result, err := drive(ctx, f, p.address, w.options.connections)
	if err != nil {
		return wafSample{}, err
	}
	after, err := p.used(ctx)
	if err != nil {
		return wafSample{}, err
	}
	if sent := after.requests - before.requests; sent != len(result.latencies) {
		return wafSample{}, fmt.Errorf("envoy has counted %d requests, not %d", sent, len(result.latencies))
	}
	cpu := float64((after.cpu - before.cpu).Nanoseconds()) / 1000 / float64(len(result.latencies))
	return wafSample{turnResult: result, cpu: cpu}, nil
}

// maxShown is how many wrong answers of a scenario are told in full.
const maxShown = 3

// sendAll sends each request once to each column.
func (w *wafBench) sendAll(ctx context.Context) error {
	if err := w.startAll(ctx); err != nil {
		return err
	}
	var wrong []error
	for i, l := range w.workloads {
		for j, p := range w.proxies {
			progress("%s: %d requests to %s:", l.Name, len(l.pool), w.columns[j].name)
			if w.columns[j].file == "" {
				progress(" not without a filter\n")
				continue
			}
			c := connection{address: p.address}
			count := 0
			for k := range w.workloads[i].pool {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := c.expect(ctx, &l.pool[k]); err != nil {
					if count++; count <= maxShown {
						wrong = append(wrong, fmt.Errorf("%s: %w", w.columns[j].name, err))
					}
				}
			}
			c.close()
			progress(" %d answered otherwise than expected\n", count)
		}
	}
	return errors.Join(wrong...)
}

// moduleBytes is the size of a column's module.
func (c *wafColumn) moduleBytes() (int64, error) {
	if c.file == "" {
		return 0, nil
	}
	info, err := os.Stat(filepath.Clean(c.file))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
