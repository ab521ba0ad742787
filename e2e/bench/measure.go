package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sample is one scenario in one round.
type sample struct {
	load
	cpu float64 // microseconds of Envoy's per request
}

// bench has the Envoys of all scenarios, all up at the same time. An idle one costs next to nothing.
type bench struct {
	dir       string
	script    string // file
	workers   int    // of each Envoy
	pinned    bool   // to a CPU of their own
	scenarios []scenario
	proxies   []*proxy // of each scenario
	tokens    []string // of each scenario: the file of its tokens
	distinct  map[string]*proxy
}

// newBench is of Envoys with one worker.
func newBench(dir string, scenarios []scenario) *bench {
	return &bench{dir: dir, script: filepath.Join(dir, scriptFile), workers: 1, scenarios: scenarios}
}

// start starts the Envoys.
func (b *bench) start(ctx context.Context) error {
	b.distinct = map[string]*proxy{}
	for _, s := range b.scenarios {
		config, err := bootstrap(s.chain())
		if err != nil {
			return err
		}
		p := b.distinct[config]
		if p == nil {
			progress("starting %s\n", s.name)
			if p, err = startProxy(ctx, b.dir, s.name, config, b.workers); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			b.distinct[config] = p
			if b.pinned {
				if err := pinEnvoy(p); err != nil {
					return err
				}
			}
		}
		if err := p.useUp(ctx, s.request); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := p.ask(ctx, s.request, s.status); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.proxies = append(b.proxies, p)
		file, err := writeTokens(b.dir, s)
		if err != nil {
			return err
		}
		b.tokens = append(b.tokens, file)
	}
	return nil
}

// writeTokens gives wrk the tokens of a scenario in a file; "" if it has none.
func writeTokens(dir string, s scenario) (file string, err error) {
	if s.request.Tokens == nil {
		return "", nil
	}
	file = filepath.Join(dir, s.name+".tokens")
	return file, os.WriteFile(file, []byte(strings.Join(s.request.Tokens(), "\n")+"\n"), 0o600)
}

func (b *bench) stop() {
	for _, p := range b.distinct {
		p.stop()
	}
}

// measure takes turns: every round has each scenario once, so that a machine which becomes slower or faster does so
// for all alike. A first round does not count, because V8 compiles well only what it has seen run for a while. The
// samples are by scenario and round.
func (b *bench) measure(ctx context.Context, rounds int, duration time.Duration) ([][]sample, error) {
	samples := make([][]sample, len(b.scenarios))
	for round := range rounds + 1 {
		if round == 0 {
			progress("warming up, us/request:")
		} else {
			progress("round %d of %d, us/request:", round, rounds)
		}
		for i, s := range b.scenarios {
			one, err := b.sample(ctx, i, duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			progress(" %s %.1f", s.name, one.cpu)
			if round > 0 {
				samples[i] = append(samples[i], one)
			}
		}
		progress("\n")
	}
	return samples, nil
}

func (b *bench) sample(ctx context.Context, i int, d time.Duration) (sample, error) {
	s, p := b.scenarios[i], b.proxies[i]
	before, err := p.used(ctx)
	if err != nil {
		return sample{}, err
	}
	l, err := runWrk(ctx, b.script, p.address, s.request, b.tokens[i], s.status, d)
	if err != nil {
		return sample{}, fmt.Errorf("%w; see %s", err, p.log)
	}
	after, err := p.used(ctx)
	if err != nil {
		return sample{}, err
	}
	cpu := float64((after.cpu - before.cpu).Nanoseconds()) / 1000 / float64(after.requests-before.requests)
	return sample{load: l, cpu: cpu}, nil
}
