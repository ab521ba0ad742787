package openloop

import (
	"fmt"
	"slices"
	"time"
)

// Result is what became of a load.
type Result struct {
	Rate int
	// Took is until the last answer, or until no more were waited for.
	Took time.Duration
	// Latencies are from when a request was due to when its answer had come, by the request's number. What was not answered counts as
	// answered at the end.
	Latencies []time.Duration
	// Unanswered is how many had no answer at the end: the rate is more than can be answered.
	Unanswered int
	// Failed is how many were answered with another status than expected, or lost with their connection, and Why the first of them.
	Failed int
	Why    string
	// Stalls are when the load itself did nothing, although it never waits: something else had its CPU. The requests that were due
	// are late for that alone.
	Stalls []Pause
}

// Pause is a time without, or without timely, answers.
type Pause struct {
	From, To time.Duration // since the load's start
	// Longest is the longest latency in it. That is more than To-From if what had queued up had to be worked off.
	Longest time.Duration
	// Own says that without the load's own stalls it would not be one.
	Own bool
}

// maxStalls are kept: with more, the machine is no use.
const maxStalls = 10_000

func newResult(rate, requests int) *Result {
	return &Result{Rate: rate, Latencies: make([]time.Duration, requests), Stalls: make([]Pause, 0, maxStalls)}
}

// due is when a request is to be sent, since the load's start.
func (r *Result) due(request int) time.Duration {
	return time.Duration(int64(request) * int64(time.Second) / int64(r.Rate))
}

func (r *Result) stalled(from, to time.Duration) {
	if len(r.Stalls) < maxStalls {
		r.Stalls = append(r.Stalls, Pause{From: from, To: to, Longest: to - from, Own: true})
	}
}

func (r *Result) failed(format string, args ...any) {
	if r.Failed++; r.Failed == 1 {
		r.Why = fmt.Sprintf(format, args...)
	}
}

// end gives what was not answered its latency.
func (r *Result) end(now time.Duration) {
	r.Took = now
	for i, latency := range r.Latencies {
		if latency == 0 {
			r.Unanswered++
			r.Latencies[i] = now - r.due(i)
		}
	}
}

// Answered is how many requests were answered.
func (r *Result) Answered() int { return len(r.Latencies) - r.Unanswered }

// Pauses are when answers took longer than that, in order. Requests that waited at the same time waited for the same.
func (r *Result) Pauses(above time.Duration) []Pause {
	var pauses []Pause
	for i, latency := range r.Latencies {
		if latency <= above {
			continue
		}
		from := r.due(i)
		if n := len(pauses); n > 0 && from <= pauses[n-1].To {
			p := &pauses[n-1]
			p.To, p.Longest = max(p.To, from+latency), max(p.Longest, latency)
			continue
		}
		pauses = append(pauses, Pause{From: from, To: from + latency, Longest: latency})
	}
	for i := range pauses {
		pauses[i].Own = pauses[i].Longest-r.stalledIn(pauses[i]) <= above
	}
	return pauses
}

// stalledIn is for how long of a pause the load itself did nothing.
func (r *Result) stalledIn(p Pause) (total time.Duration) {
	for _, s := range r.Stalls {
		total += max(0, min(s.To, p.To)-max(s.From, p.From))
	}
	return total
}

// Quantile is the latency that so great a share of sorted latencies, of which there is at least one, does not exceed.
func Quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// Sorted are the latencies by length.
func (r *Result) Sorted() []time.Duration {
	sorted := slices.Clone(r.Latencies)
	slices.Sort(sorted)
	return sorted
}
