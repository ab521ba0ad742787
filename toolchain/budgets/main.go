// Command budgets has tests count what docs/budgets.yaml has numbers for, and prints both side by side. It fails if the tests do.
// It is to run in the repository's root, with PALISADE_BUILD_DIR set to where the compiled filters are.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/palisade-mesh/palisade/filters/budget"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "budgets:", err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	f, err := budget.Load(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "palisade-budgets-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rows := filepath.Join(dir, "rows")
	output, failed := count(f, rows)
	counted, err := budget.Rows(rows)
	if err != nil { // nothing was counted
		return fmt.Errorf("%w\n%s", err, output)
	}
	if err := table(w, f, counted); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%w\n%s", failed, output)
	}
	return nil
}

// count runs the tests that count, and gives what they say.
func count(f *budget.File, rows string) (output []byte, err error) {
	arguments := []string{"test", "-count=1", "-run", "Budgets$"}
	for _, filter := range slices.Sorted(maps.Keys(f.Requests)) {
		arguments = append(arguments, "./"+filter+"/plugin")
	}
	for _, dir := range slices.Sorted(maps.Keys(f.Benchmarks)) {
		arguments = append(arguments, "./"+dir)
	}
	command := exec.Command("go", arguments...)
	command.Env = append(os.Environ(), budget.Variable+"="+rows)
	return command.CombinedOutput()
}

// table prints each number with its budget in brackets; the order is the file's.
func table(w io.Writer, f *budget.File, rows []budget.Row) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	cell := func(section, name, what string) string {
		for _, r := range rows {
			if r.Section == section && r.Name == name && r.What == what {
				return number(r)
			}
		}
		return "not counted"
	}
	fmt.Fprintln(columns, "filter\trequest\thost calls (budget)\tallocations (budget)")
	for _, filter := range slices.Sorted(maps.Keys(f.Requests)) {
		for _, r := range f.Requests[filter] {
			fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", filter, r.Name, cell(filter, r.Name, "host calls"), cell(filter, r.Name, "allocations"))
		}
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(columns, "\npackage\tbenchmark\tallocations (budget)\tbytes (budget)")
	for _, dir := range slices.Sorted(maps.Keys(f.Benchmarks)) {
		for _, name := range slices.Sorted(maps.Keys(f.Benchmarks[dir])) {
			fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", dir, name, cell(dir, name, "allocations"), cell(dir, name, "bytes"))
		}
	}
	return columns.Flush()
}

func number(r budget.Row) string {
	text := strconv.FormatUint(r.Measured, 10)
	switch {
	case r.Budget == nil:
		return text + " (-)"
	case *r.Budget != r.Measured:
		return text + " (" + strconv.FormatUint(*r.Budget, 10) + ") !"
	}
	return text + " (" + text + ")"
}
