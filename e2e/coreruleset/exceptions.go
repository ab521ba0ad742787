package coreruleset

import (
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// Exception is for tests that do not come out as the suite says, with the reason. It has one of Output, Unseen and Suite.
type Exception struct {
	Tests  []string `yaml:"tests"`
	Reason string   `yaml:"reason"`
	// Output is what is expected instead.
	Output *Output `yaml:"output"`
	// Unseen expects that the request passes and the rules that the suite expects do not match.
	Unseen bool `yaml:"unseen"`
	// Suite takes back exceptions of an earlier list: here the tests come out as the suite says.
	Suite bool `yaml:"suite"`
	// Multiphase is for what differs only if rules are evaluated in every phase that has one of their variables.
	Multiphase bool `yaml:"multiphase"`
}

// LoadExceptions reads lists of exceptions, and returns them by the tests' names. One of a later list replaces one of an
// earlier. Without multiphase, those for it do not count.
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
			for _, test := range e.Tests {
				if seen[test] {
					return nil, fmt.Errorf("coreruleset: %s: %s is listed twice", file, test)
				}
				seen[test] = true
				if err := e.add(byTest, test, multiphase); err != nil {
					return nil, fmt.Errorf("coreruleset: %s: %s %w", file, test, err)
				}
			}
		}
	}
	return byTest, nil
}

func (e *Exception) add(byTest map[string]Exception, test string, multiphase bool) error {
	kinds := 0
	for _, is := range []bool{e.Output != nil, e.Unseen, e.Suite} {
		if is {
			kinds++
		}
	}
	_, earlier := byTest[test]
	switch {
	case e.Reason == "":
		return fmt.Errorf("has no reason")
	case kinds != 1:
		return fmt.Errorf("has %d of output, unseen and suite, want one", kinds)
	case e.Suite && !earlier:
		return fmt.Errorf("takes back what is not there")
	case e.Suite:
		delete(byTest, test)
	case multiphase || !e.Multiphase:
		byTest[test] = *e
	}
	return nil
}

// Apply gives a test the outcome that is expected instead.
func (e *Exception) Apply(t *Test) error {
	o := &t.Stages[len(t.Stages)-1].Output
	if !e.Unseen {
		*o = *e.Output
		return nil
	}
	rules := o.Log.Expect
	if len(rules) == 0 {
		return fmt.Errorf("coreruleset: %s expects no rule that could be unseen", t.Name)
	}
	*o = Output{Status: 200}
	o.Log.NotExpect = rules
	return nil
}
