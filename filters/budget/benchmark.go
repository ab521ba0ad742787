package budget

import (
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// Benchmark prepares operations and runs each with Runner.Op.
type Benchmark func(r *Runner)

// Runner runs operations: Time measures them, Check counts what they allocate.
type Runner struct {
	testing.TB
	op func(name string, op func())
}

// Op runs an operation many times. The name is "" if the benchmark has only one.
func (r *Runner) Op(name string, op func()) { r.op(name, op) }

// Time runs a Benchmark as one of package testing.
func Time(b *testing.B, benchmark Benchmark) {
	loop := func(b *testing.B, op func()) {
		b.ReportAllocs()
		for b.Loop() {
			op()
		}
	}
	benchmark(&Runner{b, func(name string, op func()) {
		if name == "" {
			loop(b, op)
			return
		}
		b.Run(name, func(b *testing.B) { loop(b, op) })
	}})
}

// Check counts what Benchmarks, by their names without "Benchmark", allocate and compares it with what the file says of the
// package that is tested.
func Check(t *testing.T, benchmarks map[string]Benchmark) {
	t.Helper()
	if race {
		t.Skip("the race detector allocates, too")
	}
	f, _ := Find(t)
	if !strings.HasPrefix(runtime.Version()+".", "go"+f.Go+".") {
		t.Skipf("%s was counted with Go %s; %s may allocate otherwise", Name, f.Go, runtime.Version())
	}
	_, dir := place(t)
	left := maps.Clone(f.Benchmarks[dir])
	for _, name := range slices.Sorted(maps.Keys(benchmarks)) {
		benchmarks[name](&Runner{t, func(part string, op func()) {
			full := strings.TrimSuffix(name+"/"+part, "/")
			got := count(op)
			want, known := left[full]
			delete(left, full)
			report(t, Row{dir, full, "allocations", got.Allocations, &want.Allocations}, Row{dir, full, "bytes", got.Bytes, &want.Bytes})
			switch {
			case !known:
				t.Errorf("%s says nothing of this of %s:\n      %s: {allocations: %d, bytes: %d}", Name, dir, full, got.Allocations, got.Bytes)
			case got != want:
				t.Errorf("%s %s: %s", dir, full, difference(got, want))
			}
		}})
	}
	for name := range left {
		t.Errorf("%s has a budget for %s %s, which nobody counts", Name, dir, name)
	}
}

// difference says what to do about memory that is not what the file says.
func difference(got, want Memory) string {
	better := got.Allocations <= want.Allocations && got.Bytes <= want.Bytes
	return sprint(got) + ", not " + sprint(want) + ": " + advice(better)
}

const (
	rounds = 5
	each   = 100 // in a round
)

// count is what one operation allocates. What else the process does meanwhile only adds, so the least of several rounds is it.
func count(op func()) Memory {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	least := Memory{^uint64(0), ^uint64(0)}
	var before, after runtime.MemStats
	for range rounds {
		runtime.GC()
		op() // and whatever it keeps for the next time
		runtime.ReadMemStats(&before)
		for range each {
			op()
		}
		runtime.ReadMemStats(&after)
		least.Allocations = min(least.Allocations, after.Mallocs-before.Mallocs)
		least.Bytes = min(least.Bytes, after.TotalAlloc-before.TotalAlloc)
	}
	return Memory{least.Allocations / each, least.Bytes / each}
}
