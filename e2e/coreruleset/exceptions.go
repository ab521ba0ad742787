package coreruleset

import (
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// MaxExceptions is how many tests may come out otherwise than the suite says.
const MaxExceptions = 40

// Exception is a test that is not expected to come out as the suite says, with the reason.
type Exception struct {
	Test   string  `yaml:"test"`
	Reason string  `yaml:"reason"`
	Output *Output `yaml:"output"` // what is expected instead; absent: the test is not run
	// Multiphase is for what differs only if rules are evaluated in every phase that has one of their variables.
	Multiphase bool `yaml:"multiphase"`
	// Suite takes back an exception: here the test comes out as the suite says.
	Suite bool `yaml:"suite"`
}

// LoadExceptions reads lists of exceptions; one of a later list replaces one of an earlier. Without multiphase, those for
// it do not count.
func LoadExceptions(multiphase bool, files ...string) (map[string]Exception, error) {
	byTest := map[string]Exception{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("coreruleset: %w", err)
		}
		var list []Exception
		if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("coreruleset: %s: %w", file, err)
		}
		seen := map[string]bool{}
		for _, e := range list {
			_, earlier := byTest[e.Test]
			switch {
			case e.Reason == "":
				return nil, fmt.Errorf("coreruleset: %s: %s: no reason", file, e.Test)
			case seen[e.Test]:
				return nil, fmt.Errorf("coreruleset: %s: %s: listed twice", file, e.Test)
			case e.Suite && (e.Output != nil || !earlier):
				return nil, fmt.Errorf("coreruleset: %s: %s: nothing to take back", file, e.Test)
			}
			seen[e.Test] = true
			switch {
			case e.Suite:
				delete(byTest, e.Test)
			case multiphase || !e.Multiphase:
				byTest[e.Test] = e
			}
		}
	}
	if len(byTest) > MaxExceptions {
		return nil, fmt.Errorf("coreruleset: %d exceptions, want at most %d", len(byTest), MaxExceptions)
	}
	return byTest, nil
}

// Apply gives a test the outcome that is expected instead. It tells whether the test is to be run.
func (e *Exception) Apply(t *Test) bool {
	if e.Output == nil {
		return false
	}
	t.Stages[len(t.Stages)-1].Output = *e.Output
	return true
}
