package wafpeer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/waf-filter/benign"
)

// comparison is a request for both filters.
type comparison struct {
	name     string
	settings *settings
	wire     []byte
}

// settings are what both filters are configured with.
type settings struct{ waf, peer string }

// profiles by paranoia level; one value each, so that requests share a listener.
var profiles = map[int]*settings{}

func profileSettings(t *testing.T, level int) *settings {
	t.Helper()
	if profiles[level] == nil {
		config, err := Profile(level)
		require.NoError(t, err)
		profiles[level] = &settings{waf: fmt.Sprintf(`{"profile": "crs-pl%d", "audit": {"log": "all"}}`, level), peer: config}
	}
	return profiles[level]
}

func wire(method, target, host string, headers [][2]string, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n", method, target, host)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// peerFields are the fields that coraza-proxy-wasm has.
var peerFields = map[string]bool{
	"directives_map": true, "default_directives": true, "per_authority_directives": true, "metric_labels": true, "rules": true,
}

var profileName = regexp.MustCompile(`^crs-pl([1-4])$`)

// tableCases are those of waf-filter's own table that have nothing in their configuration that the peer does not have. A profile
// is what it stands for.
func tableCases(t *testing.T) []*comparison {
	var cases []*comparison
	known := map[string]*settings{}
	for _, file := range casetest.LoadAll(t, "../../waf-filter/testdata/*.yaml") {
		for _, c := range file.Cases {
			s := tableSettings(t, c, known)
			if s == nil {
				continue
			}
			cases = append(cases, &comparison{
				name: "table: " + c.Name, settings: s,
				wire: wire(c.Request.Method, c.Request.Path, c.Request.Host, c.PlainHeaders(t), ""),
			})
		}
	}
	require.GreaterOrEqual(t, len(cases), 10)
	return cases
}

func tableSettings(t *testing.T, c *casetest.Case, known map[string]*settings) *settings {
	t.Helper()
	if name, ok := c.Config["profile"].(string); ok && len(c.Config) == 1 && profileName.MatchString(name) {
		return profileSettings(t, int(name[len(name)-1]-'0'))
	}
	for field := range c.Config {
		if !peerFields[field] {
			return nil
		}
	}
	config := string(c.ConfigJSON(t))
	if known[config] == nil {
		known[config] = &settings{waf: config, peer: config}
	}
	return known[config]
}

// benignCases are waf-filter's requests that nobody means any harm with.
func benignCases(t *testing.T) []*comparison {
	list, err := benign.Load()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list), 100)
	var cases []*comparison
	for i := range list {
		r := &list[i]
		cases = append(cases, &comparison{
			name: fmt.Sprintf("benign: %d", i+1), settings: profileSettings(t, 1), wire: wire(r.Method, r.Path, "service.test", r.Header(), r.Body),
		})
	}
	return cases
}

// everyNth is which of the suite's tests are compared.
const everyNth = 10

// suiteCases are requests of the Core Rule Set's regression suite, at the first paranoia level and blocking: what is compared is
// whether they pass, not which rules match.
func suiteCases(t *testing.T) []*comparison {
	files, err := coreruleset.Load()
	require.NoError(t, err)
	var cases []*comparison
	count := 0
	for _, file := range files {
		for _, test := range file.Tests {
			if count++; count%everyNth != 0 {
				continue
			}
			for i := range test.Stages {
				request, err := test.Stages[i].Input.Request()
				require.NoError(t, err)
				name := "suite: " + test.Name
				if i > 0 {
					name += fmt.Sprintf(" stage %d", i+1)
				}
				cases = append(cases, &comparison{name: name, settings: profileSettings(t, 1), wire: request.Bytes()})
			}
		}
	}
	return cases
}

// difference is for requests that the two decide otherwise.
type difference struct {
	Cases  []string `yaml:"cases"`
	WAF    string   `yaml:"waf-filter"`
	Peer   string   `yaml:"coraza-proxy-wasm"`
	Reason string   `yaml:"reason"`
}

// loadDifferences returns what is listed, waf-filter's outcome and the peer's, by the case.
func loadDifferences(t *testing.T, cases []*comparison) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.yaml")
	require.NoError(t, err)
	var list []difference
	require.NoError(t, yaml.UnmarshalWithOptions(text, &list, yaml.Strict()))
	known := map[string]bool{}
	for _, c := range cases {
		require.False(t, known[c.name], "two cases are named %s", c.name)
		known[c.name] = true
	}
	byCase := map[string][2]string{}
	for _, d := range list {
		require.NotEmpty(t, d.Reason, "%v", d.Cases)
		for _, name := range d.Cases {
			require.True(t, known[name], "testdata/differences.yaml: there is no case %q", name)
			require.NotContains(t, byCase, name, "testdata/differences.yaml lists it twice")
			byCase[name] = [2]string{d.WAF, d.Peer}
		}
	}
	return byCase
}

// What is compared without the peer can be read, and what is listed is of what is compared.
func TestListedDifferencesAreOfCases(t *testing.T) {
	cases := append(append(tableCases(t), benignCases(t)...), suiteCases(t)...)
	loadDifferences(t, cases)
	for _, c := range cases {
		require.True(t, json.Valid([]byte(c.settings.waf)) && json.Valid([]byte(c.settings.peer)), c.name)
	}
}
