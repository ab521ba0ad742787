package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

const (
	startupTries = 3
	// startupEnough is after how long no further try is made, startupLimit how long one may take.
	startupEnough = 5 * time.Second
	startupLimit  = 30 * time.Second
)

var errTooLong = fmt.Errorf("not ready after %v", startupLimit)

// startup is how long Envoy takes until the first request is answered, and what memory that takes.
type startup struct {
	Name    string  `json:"name"`
	Tries   int     `json:"tries"`
	Seconds float64 `json:"seconds"` // median
	RSS     int     `json:"rssMB"`   // of the last try
	Peak    int     `json:"peakMB"`  // of the last try
	// Error is why there are no figures.
	Error string `json:"error,omitempty"`
}

// measureStartup starts Envoy several times, on all CPUs. An Envoy that does not start is a result.
func measureStartup(ctx context.Context, dir string, s scenario) (startup, error) {
	result := startup{Name: s.name}
	config, err := bootstrap(s.chain())
	if err != nil {
		return result, err
	}
	var seconds []float64
	for begin := time.Now(); result.Tries < startupTries && time.Since(begin) < startupEnough; {
		took, rss, peak, err := startOnce(ctx, filepath.Join(dir, "start"), s, config)
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		if err != nil {
			result.Error = err.Error()
			return result, nil
		}
		seconds = append(seconds, took.Seconds())
		result.RSS, result.Peak = rss, peak
		result.Tries++
	}
	result.Seconds = newSpread(seconds).Median
	return result, nil
}

func startOnce(ctx context.Context, dir string, s scenario, config string) (took time.Duration, rss, peak int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startupLimit, errTooLong)
	defer cancel()
	begin := time.Now()
	p, err := startProxy(ctx, dir, s.name, config, 1)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.stop()
	// The worker has a VM of its own, which reads the configuration after Envoy says that it is ready.
	if err := p.ask(ctx, s.request, s.status); err != nil {
		if errors.Is(context.Cause(ctx), errTooLong) {
			err = errTooLong
		}
		return 0, 0, 0, err
	}
	took = time.Since(begin)
	if rss, err = p.memory("VmRSS"); err != nil {
		return 0, 0, 0, err
	}
	peak, err = p.memory("VmHWM")
	return took, rss, peak, err
}
