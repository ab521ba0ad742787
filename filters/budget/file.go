// Package budget compares what is counted, and is the same each time, with what docs/budgets.yaml says: the calls of the
// host and the allocations of a request, and the allocations of the cores' benchmarks. It is for tests. More than the file
// says is a failure, and so is less: what is better now has to be noted, or it would be lost unseen.
package budget

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

// Name is where the file is, from the repository's root.
const Name = "docs/budgets.yaml"

// File is the file.
type File struct {
	// Go is the version of Go, without its last part, with which Benchmarks were counted. Others allocate otherwise.
	Go string `json:"go"`
	// Requests are by filter.
	Requests map[string][]Request `json:"requests"`
	// Benchmarks are by package, from the repository's root, and by the benchmark's name without "Benchmark".
	Benchmarks map[string]map[string]Memory `json:"benchmarks"`
}

// Request is what a request costs a worker that is warm.
type Request struct {
	Name  string `json:"name"`
	Table string `json:"table"` // of cases, from the repository's root
	Case  string `json:"case"`
	// Body is the request's, which comes in one part; the upstream then does not answer.
	Body string `json:"body"`
	// Service is what the rate limit service says, "OK" or "OVER_LIMIT", if there is one.
	Service string `json:"service"`
	// Calls are the calls of the host, in order, but for the clock.
	Calls []string `json:"calls"`
	// Allocations are how many objects the compiled filter allocates. Absent: not the same in each run.
	Allocations *uint64 `json:"allocations"`
	// Varies is whether some requests allocate more, by where the entries of maps fall, say. Allocations are the fewest.
	Varies bool `json:"varies"`
}

// Memory is what one run of a benchmark allocates.
type Memory struct {
	Allocations uint64 `json:"allocations"`
	Bytes       uint64 `json:"bytes"`
}

// Load reads the file.
func Load(root string) (*File, error) {
	text, err := os.ReadFile(filepath.Join(root, Name))
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	document, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("budget: %s: %w", Name, err)
	}
	f := &File{}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(f); err != nil {
		return nil, fmt.Errorf("budget: %s: %w", Name, err)
	}
	return f, nil
}

// Find gives the file, for a test in any package of the repository, and the repository's root.
func Find(t testing.TB) (f *File, root string) {
	t.Helper()
	root, _ = place(t)
	f, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return f, root
}

// place is the repository's root and, from there, the package whose test runs.
func place(t testing.TB) (root, dir string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal("budget:", err)
	}
	for root = here; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("budget: there is no go.mod above " + here)
		}
	}
	dir, err = filepath.Rel(root, here)
	if err != nil {
		t.Fatal("budget:", err)
	}
	return root, filepath.ToSlash(dir)
}
