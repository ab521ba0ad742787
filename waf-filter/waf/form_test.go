package waf_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		rule, body string
	}{
		"a field":                        {`ARGS_POST:a "@streq 1 2"`, "a=1+2"},
		"escapes":                        {`ARGS_POST:a&b "@streq =%/é"`, "a%26b=%3d%25%2F%c3%A9"},
		"what is no escape":              {`ARGS_POST:a "@streq %zz%4%"`, "a=%zz%4%"},
		"a value has the other =":        {`ARGS_POST:a "@streq =1="`, "a==1="},
		"no =":                           {`&ARGS_POST:a "@eq 1"`, "b&a&c"},
		"no name":                        {`ARGS_POST "@streq x"`, "=x"},
		"nothing between &":              {`&ARGS_POST "@eq 2"`, "&&a=1&&&b=2&"},
		"the first of a name":            {`ARGS_POST:q "@streq x"`, "q=x&Q=y"},
		"the second of a name":           {`ARGS_POST:q "@streq x"`, "Q=y&q=x"},
		"in whatever case":               {`ARGS_POST:q "@streq x"`, "q=y&Q=x&q=z"},
		"all of them":                    {`&ARGS_POST:q "@eq 3"`, "q=1&Q=1&q=1"},
		"the body":                       {`REQUEST_BODY "@streq a=%41"`, "a=%41"},
		"its length":                     {`REQUEST_BODY_LENGTH "@eq 5"`, "a=%41"},
		"as many fields as may be":       {`&ARGS_POST|ARGUMENTS_LIMIT_REACHED "@eq 3"`, "a=1&b=2&c=3&"},
		"more fields than may be":        {`ARGUMENTS_LIMIT_REACHED "@eq 1"`, "a=1&b=2&c=3&d"},
		"of those, as many as there may": {`&ARGS_POST "@eq 3"`, "a=1&b=2&c=3&d"},
	} {
		t.Run(name, func(t *testing.T) {
			rule := strings.ReplaceAll(c.rule, `"`, `\"`)
			f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", "SecArgumentsLimit 3", "SecRule `+rule+` \"id:1,phase:2,deny\""]}`)
			for range 20 { // the order of Go's maps is another one each time
				e := exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded"), body: c.body}
				assert.Equal(t, "1", e.through(t, f, 3).Decision().Rule)
			}
		})
	}
}
