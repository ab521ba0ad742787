// Package coreruleset is the Core Rule Set's regression suite, as it comes in the rule set's Go module in go-ftw's format:
// what its tests send, and what they expect. It runs natively in waf-filter/waf, and here against the compiled filter in
// stock Envoy.
package coreruleset

import (
	"fmt"
	"io/fs"

	"github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"
)

// The size of the suite in the version that go.mod names: a test that is lost in reading would be one that passes.
const (
	Files = 318
	Tests = 4674
)

// File has the tests of one rule.
type File struct {
	RuleID int    `yaml:"rule_id"`
	Tests  []Test `yaml:"tests"`
}

// Test is one or more requests, one after the other.
type Test struct {
	Name   string  `yaml:"-"` // the rule's and the test's number: "920100-1"
	ID     int     `yaml:"test_id"`
	Stages []Stage `yaml:"stages"`
}

// Stage is a request and what is expected of it.
type Stage struct {
	Input  Input  `yaml:"input"`
	Output Output `yaml:"output"`
}

// Load reads the suite, in the order of its files.
func Load() ([]File, error) {
	names, err := fs.Glob(tests.FS, "*/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("coreruleset: %w", err)
	}
	files := make([]File, len(names))
	count := 0
	for i, name := range names {
		text, err := fs.ReadFile(tests.FS, name)
		if err != nil {
			return nil, fmt.Errorf("coreruleset: %w", err)
		}
		if err := yaml.Unmarshal(text, &files[i]); err != nil {
			return nil, fmt.Errorf("coreruleset: %s: %w", name, err)
		}
		for j := range files[i].Tests {
			test := &files[i].Tests[j]
			test.Name = fmt.Sprintf("%d-%d", files[i].RuleID, test.ID)
		}
		count += len(files[i].Tests)
	}
	if len(files) != Files || count != Tests {
		return nil, fmt.Errorf("coreruleset: %d tests in %d files, want %d in %d", count, len(files), Tests, Files)
	}
	return files, nil
}
