package coreruleset

import (
	"fmt"

	"github.com/stretchr/testify/assert"
)

// Output is what a test expects.
type Output struct {
	Status      int   `yaml:"status"`
	ExpectError *bool `yaml:"expect_error"`
	Log         struct {
		Expect       []int  `yaml:"expect_ids"`
		NotExpect    []int  `yaml:"no_expect_ids"`
		MatchRegex   string `yaml:"match_regex"`
		NoMatchRegex string `yaml:"no_match_regex"`
	} `yaml:"log"`
}

// Result is what came of a request.
type Result struct {
	Status int
	// NotHTTP says why the request was not read at all, if it was not.
	NotHTTP error
	// Log has a line for each rule that matched, as Coraza's error log has it: [id "920100"] [msg "..."].
	Log string
}

// Check compares a test's result.
func (o *Output) Check(t assert.TestingT, name string, r Result) {
	if helper, ok := t.(interface{ Helper() }); ok {
		helper.Helper()
	}
	if o.ExpectError != nil {
		assert.Equal(t, *o.ExpectError, r.NotHTTP != nil, "%s: the request is not HTTP: %v", name, r.NotHTTP)
		return
	}
	if o.Status != 0 {
		assert.Equal(t, o.Status, r.Status, "%s: status\n%s", name, r.Log)
	}
	for _, id := range o.Log.Expect {
		assert.Contains(t, r.Log, fmt.Sprintf("[id \"%d\"]", id), "%s: status %d", name, r.Status)
	}
	for _, id := range o.Log.NotExpect {
		assert.NotContains(t, r.Log, fmt.Sprintf("[id \"%d\"]", id), name)
	}
	if o.Log.MatchRegex != "" {
		assert.Regexp(t, o.Log.MatchRegex, r.Log, name)
	}
	if o.Log.NoMatchRegex != "" {
		assert.NotRegexp(t, o.Log.NoMatchRegex, r.Log, name)
	}
}
