// Command bench measures what the filters cost in stock Envoy, next to no filter, an empty one and Envoy's own, all
// in one run. `make bench` runs it; docs/performance.md says how it measures.
//
//	ENVOY_PATH=$(make -s envoy-path) go run ./e2e/bench -scenarios 'authz-20|rbac-20' -rounds 9
//
// With steady as its first argument, it measures latencies at a steady rate, pauses and memory (make bench-steady).
//
// With waf as its first argument, it measures waf-filter next to coraza-proxy-wasm (make bench-waf), with waf-soak, whether waf-filter's
// memory stays what it is (make soak-waf).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	rounds  = flag.Int("rounds", 5, "how often each scenario has its turn")
	turn    = flag.Int("seconds", 1, "how long a turn is")
	only    = flag.String("scenarios", "", "a regular expression: which to run, beside "+baseline+", in place of the usual ones")
	all     = flag.Bool("all", false, "run all scenarios, starts and updates, and what a second worker brings")
	counted = flag.Bool("instructions", false, "count instructions instead of time, with valgrind: a minute or two a scenario")
	startUp = flag.Bool("startup", true, "measure also how long Envoy takes to start")
	renewal = flag.Bool("update", true, "measure also how long other policies take")
	scaling = flag.Bool("scaling", false, "measure also what a second worker brings")
	output  = flag.String("o", "markdown", "what to print: markdown or json")
	file    = flag.String("file", "build/bench.json", "where the figures go")
	sketch  = flag.String("picture", "build/bench.svg", "where the picture goes")
	dir     = flag.String("dir", "build/bench", "where configurations and logs go")
)

func main() {
	// The kernel kills the Envoys when the thread that started them ends.
	runtime.LockOSThread()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	switch err := choose(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// choose runs what the first argument names.
func choose(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "steady":
			return runSteady(ctx, args[1:])
		case "waf":
			return runWAF(ctx, args[1:])
		case "waf-soak":
			return runSoak(ctx, args[1:])
		}
	}
	flag.Parse()
	return run(ctx)
}

func run(ctx context.Context) error {
	wanted, err := wantedScenarios()
	if err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	begin := time.Now()
	r := &report{conditions: newConditions(*rounds, float64(*turn), connections)}
	if *counted {
		err = runInstructions(ctx, r, wanted)
	} else {
		err = runTimes(ctx, r, wanted)
	}
	if err != nil {
		return err
	}
	progress("took %v\n", time.Since(begin).Round(time.Second))
	if err := writeFigures(r, *file, *output); err != nil {
		return err
	}
	return writePicture(r, *sketch)
}

// wantedScenarios tells from the flags which names are wanted, after a look at the other flags.
func wantedScenarios() (*regexp.Regexp, error) {
	switch {
	case *rounds < 1:
		return nil, errors.New("-rounds: at least one")
	case *turn < 1:
		return nil, errors.New("-seconds: at least one")
	case *all && *only != "":
		return nil, errors.New("-all and -scenarios: either of them")
	}
	if err := checkOutput(*output); err != nil {
		return nil, err
	}
	switch {
	case *all:
		*scaling = true
		return regexp.Compile("")
	case *only == "":
		return regexp.Compile(expressionOf(usual))
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return nil, fmt.Errorf("-scenarios: %w", err)
	}
	return wanted, nil
}

// prepare has what the scenarios need in place.
func prepare() error {
	tools := map[string]string{"wrk": "wrk", "taskset": "util-linux"}
	if *counted {
		tools = map[string]string{"valgrind": "valgrind", "callgrind_control": "valgrind"}
	}
	if err := ready(filepath.Join(*dir, "start"), tools); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*dir, scriptFile), script, 0o644)
}

// runTimes has what needs all CPUs first, while this process may still use them: each worker and the load get one later.
func runTimes(ctx context.Context, r *report, wanted *regexp.Regexp) (err error) {
	if *startUp {
		// While no other Envoy is there.
		if r.Startup, err = measureStartups(ctx, *dir, chosen(startups(), wanted)); err != nil {
			return err
		}
	}
	if *renewal {
		if r.Updates, err = runUpdates(ctx, *dir, chosenUpdates(wanted)); err != nil {
			return err
		}
	}
	if *scaling {
		before := procStat()
		if r.Scaling, err = runScaling(ctx, chosenScaled(wanted)); err != nil {
			return err
		}
		r.ScalingStolen = stolen(before, procStat())
	}
	return runScenarios(ctx, r, wanted)
}

// writeFigures gives the figures of a report to the file and to whoever started this.
func writeFigures(report fmt.Stringer, file, output string) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return err
	}
	if output == "json" {
		fmt.Println(string(text))
	} else {
		fmt.Print(report)
	}
	return nil
}

// checkOutput looks at the flag -o, which all kinds of bench have.
func checkOutput(output string) error {
	if output != "markdown" && output != "json" {
		return fmt.Errorf("-o %s: expected markdown or json", output)
	}
	return nil
}

// ready has a directory, and the tools by the packages that they are in.
func ready(dir string, tools map[string]string) error {
	if err := needTools(tools); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}

// needTools has the tools by the packages that they are in.
func needTools(tools map[string]string) error {
	for tool, packageName := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: install the package %s (Debian: apt-get install -y %s)", err, packageName, packageName)
		}
	}
	return nil
}

// runInstructions measures no time, so it has no CPU for itself and no rounds.
func runInstructions(ctx context.Context, r *report, wanted *regexp.Regexp) (err error) {
	r.Pinned, r.Rounds, r.Seconds, r.Connections = false, 0, 0, 1
	if r.Instructions, r.Envoy, err = countAll(ctx, *dir, chosen(append(scenarios(), callScenarios()...), wanted)); err != nil {
		return err
	}
	r.InstructionRatios = newInstructionRatios(comparisons(), r.Instructions)
	return nil
}

func runScenarios(ctx context.Context, r *report, wanted *regexp.Regexp) error {
	b, err := startBench(ctx, *dir, chosen(scenarios(), wanted), r.Pinned)
	if err != nil {
		return err
	}
	defer b.stop()
	before := procStat()
	samples, err := b.measure(ctx, *rounds, time.Duration(*turn)*time.Second)
	if err != nil {
		return err
	}
	r.Scenarios, r.Ratios = newRows(b.scenarios, samples), newRatios(comparisons(), b.scenarios, samples)
	for i, p := range b.proxies {
		if r.Scenarios[i].RSS, err = p.memory("VmRSS"); err != nil {
			return err
		}
	}
	return r.end(ctx, before, b.proxies[0])
}

// startBench starts the scenarios' Envoys. This process keeps to the other CPU from then on.
func startBench(ctx context.Context, dir string, scenarios []scenario, pinned bool) (*bench, error) {
	b := newBench(dir, scenarios)
	b.pinned = pinned
	if err := pinLoad(); err != nil {
		return nil, err
	}
	if err := b.start(ctx); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// chosen are the scenarios in whose name the expression is found (an empty one is in all), and what they are compared
// with.
func chosen(all []scenario, wanted *regexp.Regexp) []scenario {
	needed := map[string]bool{baseline: true}
	for _, s := range all {
		if wanted.MatchString(s.name) {
			needed[s.name], needed[s.base()] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return !needed[s.name] })
}

// The CPUs of Envoy and of everything else.
const (
	envoyCPU = 0
	loadCPU  = 1
)

// pinLoad is for this process; what it starts later inherits its CPU.
func pinLoad() error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	return pin(os.Getpid(), loadCPU)
}

func pinEnvoy(p *proxy) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	return pin(p.cmd.Process.Pid, envoyCPU)
}

// loadAverage tells whether this machine was quiet.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// stolen tells, between two readings of /proc/stat, what share of the CPUs' time another virtual machine had, in
// percent. Linux counts it as used by whoever was running, so it inflates CPU times.
func stolen(before, after string) float64 {
	a, b := cpuTicks(before), cpuTicks(after)
	const steal, guest = 7, 8 // proc(5); guest time is part of user time
	if len(a) < guest || len(b) < guest {
		return 0
	}
	total := 0.0
	for i := range guest {
		total += b[i] - a[i]
	}
	if total <= 0 {
		return 0
	}
	return 100 * (b[steal] - a[steal]) / total
}

// cpuTicks are the numbers of the first line of /proc/stat, which is for all CPUs.
func cpuTicks(stat string) []float64 {
	line, _, _ := strings.Cut(stat, "\n")
	var ticks []float64
	for _, field := range strings.Fields(line) {
		if n, err := strconv.ParseFloat(field, 64); err == nil {
			ticks = append(ticks, n)
		}
	}
	return ticks
}

func procStat() string {
	text, _ := os.ReadFile("/proc/stat")
	return string(text)
}

// progress goes to standard error, piece by piece, on a terminal or not.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }
