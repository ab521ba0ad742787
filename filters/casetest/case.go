// Package casetest is the one table of cases that every ring of tests runs: the core natively, the
// compiled module under wazero, and the module in stock Envoy. A case is data: a configuration, a request
// and what is to be decided. A bug report is one more.
package casetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
)

// File is a table of cases for one filter.
type File struct {
	Filter string         `json:"filter"`
	Config map[string]any `json:"config"` // of the cases that have none of their own
	Cases  []*Case        `json:"cases"`
}

// Case is one request and what is to become of it.
type Case struct {
	Name    string         `json:"name"`
	Config  map[string]any `json:"config"`
	Request Request        `json:"request"`
	// Repeat is how many requests like this one come before it.
	Repeat int    `json:"repeat"`
	Expect Expect `json:"expect"`
	// CEL is what each expression of the configuration comes to (a bool, text or number, or null for an error), for
	// the rings that have no engine; in Envoy it is evaluated.
	CEL map[string]any `json:"cel"`
	// Verifies is whether the host has verify_signature, for the rings that have to pretend; Envoy has it.
	Verifies bool `json:"verifies"`
	// By is the filter whose decision it is, for a filter of several. Default: the table's.
	By string `json:"by"`
	// Envoy is the status with which Envoy itself refuses the request, before any filter sees it.
	Envoy int `json:"envoyRefuses"`

	section string // of the configuration in which Config is to stand; "": it is the whole
}

// Request is a request in the words of a policy's author.
type Request struct {
	Method  string                    `json:"method"` // default: GET
	Path    string                    `json:"path"`   // default: /; with the query, as on the wire
	Host    string                    `json:"host"`   // default: service.test
	Headers []map[string]string       `json:"headers"`
	Peer    string                    `json:"peer"`  // the URI SAN of the client's certificate
	Peers   []string                  `json:"peers"` // or several
	SNI     string                    `json:"sni"`
	Address string                    `json:"address"` // source.address; in Envoy it is what it is
	Port    uint16                    `json:"port"`    // destination.port; in Envoy it is what it is
	Claims  map[string]map[string]any `json:"claims"`  // of verified tokens, by provider
	Tokens  []Token                   `json:"tokens"`
}

// URIs are those of the client's certificate, nil if it shows none.
func (r *Request) URIs() []string {
	if r.Peer != "" {
		return []string{r.Peer}
	}
	return r.Peers
}

// Expect is what is to be decided. Empty fields are not looked at, but for the effect.
type Expect struct {
	Effect    decision.Effect   `json:"effect"`
	Status    int               `json:"status"` // default: 403 of a deny
	Policy    string            `json:"policy"`
	Rule      string            `json:"rule"`
	Reason    string            `json:"reason"` // a part of it
	Path      string            `json:"path"`   // normal form
	Principal string            `json:"principal"`
	User      string            `json:"requestPrincipal"`
	Passes    bool              `json:"passes"`   // the request goes on in spite of the effect (dry-run)
	Upstream  map[string]string `json:"upstream"` // headers that must reach it, :path among them; "" for one that must not
	Reply     map[string]string `json:"reply"`    // headers of the refusal, or of the response
	Body      []string          `json:"body"`     // parts of the refusal's body
}

// Load reads a table.
func Load(t *testing.T, file string) *File {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	f := &File{}
	// By way of JSON, so that a merged mapping (<<) may be overridden and an unknown field is still refused.
	var table any
	require.NoError(t, yaml.Unmarshal(text, &table), file)
	document, err := json.Marshal(table)
	require.NoError(t, err, file)
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(f), file)
	require.NotEmpty(t, f.Cases, "%s has no case", file)
	names := map[string]bool{}
	for _, c := range f.Cases {
		require.NotEmpty(t, c.Name, file)
		require.False(t, names[c.Name], "%s: two cases are named %q", file, c.Name)
		names[c.Name] = true
		c.complete(t, f)
	}
	return f
}

// LoadAll reads every table that a pattern of file names fits. No table is a failure.
func LoadAll(t *testing.T, pattern string) []*File {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, names, "no case table at %s", pattern)
	var files []*File
	for _, name := range names {
		files = append(files, Load(t, name))
	}
	return files
}

// LoadFor is LoadAll for a filter that decides the tables' cases: the one that they are for, or palisade-filter, which runs
// that filter with what stands in a section of its own configuration.
func LoadFor(t *testing.T, filter, pattern string) []*File {
	t.Helper()
	files := LoadAll(t, pattern)
	for _, file := range files {
		if file.Filter == filter {
			continue
		}
		require.Equal(t, "palisade-filter", filter, "%s is for %s", pattern, file.Filter)
		for _, c := range file.Cases {
			c.section = strings.TrimSuffix(file.Filter, "-filter")
		}
	}
	return files
}

func (c *Case) complete(t *testing.T, f *File) {
	t.Helper()
	if c.By == "" {
		c.By = f.Filter
	}
	require.Contains(t, recordProperty, c.By, "%s: no filter whose decision is looked at", c.Name)
	if c.Config == nil {
		c.Config = f.Config
	}
	if c.Request.Method == "" {
		c.Request.Method = "GET"
	}
	if c.Request.Path == "" {
		c.Request.Path = "/"
	}
	if c.Request.Host == "" {
		c.Request.Host = "service.test"
	}
	if c.Expect.Status == 0 && c.Expect.Effect == decision.Deny {
		c.Expect.Status = 403
	}
	require.Contains(t, []decision.Effect{decision.Allow, decision.Deny}, c.Expect.Effect, c.Name)
	c.placeTokens(t)
}

// placeTokens puts tokens where their placeholders are.
func (c *Case) placeTokens(t *testing.T) {
	t.Helper()
	for i := range c.Request.Tokens {
		k := &c.Request.Tokens[i]
		if k.placeholder() == "" {
			continue
		}
		token, found := k.Compact(t), 0
		put := func(text string) string {
			found += strings.Count(text, k.placeholder())
			return strings.ReplaceAll(text, k.placeholder(), token)
		}
		c.Request.Path = put(c.Request.Path)
		for _, h := range append(c.Request.Headers, c.Expect.Upstream) {
			for name, value := range h {
				h[name] = put(value)
			}
		}
		require.NotZero(t, found, "%s: %s stands nowhere", c.Name, k.placeholder())
	}
}

// ConfigJSON is the case's configuration, with the test keys in place of "$keys".
func (c *Case) ConfigJSON(t *testing.T) []byte {
	t.Helper()
	config := c.Config
	if c.section != "" {
		config = map[string]any{c.section: config}
	}
	text, err := json.Marshal(config)
	require.NoError(t, err)
	return []byte(strings.ReplaceAll(string(text), `"$keys"`, testKeys.jwks(t)))
}

// HeaderList are the request's headers as a filter sees them, tokens included.
func (c *Case) HeaderList(t *testing.T) [][2]string {
	t.Helper()
	list := [][2]string{
		{":method", c.Request.Method}, {":path", c.Request.Path}, {":authority", c.Request.Host}, {":scheme", "https"},
	}
	return append(list, c.PlainHeaders(t)...)
}

// PlainHeaders are the request's headers without pseudo-headers.
func (c *Case) PlainHeaders(t *testing.T) [][2]string {
	t.Helper()
	var list [][2]string
	for _, h := range c.Request.Headers {
		for name, value := range h {
			list = append(list, [2]string{name, value})
		}
	}
	for i := range c.Request.Tokens {
		if k := &c.Request.Tokens[i]; k.placeholder() == "" {
			list = append(list, k.header(t))
		}
	}
	return list
}

// Properties are the attributes of the request, by path.
func (c *Case) Properties(t *testing.T) map[string]string {
	t.Helper()
	p := map[string]string{"source.address": "127.0.0.1:40000"}
	if c.Request.Port != 0 {
		p["destination.port"] = string(binary.LittleEndian.AppendUint64(nil, uint64(c.Request.Port)))
	}
	if c.Request.Address != "" {
		p["source.address"] = c.Request.Address
	}
	if peers := c.Request.URIs(); peers != nil {
		maps.Copy(p, Peer(t, peers...))
	}
	if c.Request.SNI != "" {
		p["connection.requested_server_name"] = c.Request.SNI
	}
	if c.Request.Claims != nil {
		text, err := json.Marshal(c.Request.Claims)
		require.NoError(t, err)
		p["palisade.jwt"] = string(text)
	}
	return p
}

// Outcome is what became of a request in one ring.
type Outcome struct {
	Passed   bool
	Status   int               // of the refusal; 0 if it passed
	Reply    map[string]string // the refusal's or response's headers, names in lower case
	Body     string
	Upstream map[string]string // headers that reached the upstream, names in lower case
	Record   Record
}

// Record is a decision record as the ring found it published.
type Record struct {
	Filter           string          `json:"filter"`
	Mode             string          `json:"mode"`
	Effect           decision.Effect `json:"effect"`
	Policy           string          `json:"policy"`
	Rule             string          `json:"rule"`
	Reason           string          `json:"reason"`
	Status           int             `json:"status"`
	Principal        string          `json:"principal"`
	RequestPrincipal string          `json:"requestPrincipal"`
	Path             string          `json:"path"`
}

// ParseRecord reads a published record.
func ParseRecord(t *testing.T, text string) Record {
	t.Helper()
	var r Record
	require.NoError(t, json.Unmarshal([]byte(text), &r), "record %q", text)
	return r
}

// Check compares an outcome with what is expected.
func (e *Expect) Check(t *testing.T, o Outcome) {
	t.Helper()
	passes := e.Passes || e.Effect == decision.Allow
	assert.Equal(t, passes, o.Passed, "whether the request goes on; record: %+v", o.Record)
	assert.Equal(t, e.Effect, o.Record.Effect, "effect; record: %+v", o.Record)
	if e.Effect == decision.Deny {
		assert.Equal(t, e.Status, o.Record.Status, "status in the record")
		if !passes {
			assert.Equal(t, e.Status, o.Status, "status of the reply")
		}
	}
	for _, f := range []struct{ name, want, got string }{
		{"policy", e.Policy, o.Record.Policy}, {"rule", e.Rule, o.Record.Rule}, {"path", e.Path, o.Record.Path},
		{"principal", e.Principal, o.Record.Principal}, {"requestPrincipal", e.User, o.Record.RequestPrincipal},
	} {
		if f.want != "" {
			assert.Equal(t, f.want, f.got, f.name)
		}
	}
	if e.Reason != "" {
		assert.Contains(t, o.Record.Reason, e.Reason, "reason")
	}
	checkHeaders(t, "upstream", e.Upstream, o.Upstream)
	checkHeaders(t, "reply", e.Reply, o.Reply)
	for _, part := range e.Body {
		assert.Contains(t, o.Body, part, "body")
	}
}

func checkHeaders(t *testing.T, where string, want, got map[string]string) {
	t.Helper()
	for name := range maps.Keys(want) {
		value, present := got[name]
		if want[name] == "" {
			assert.False(t, present, "%s: header %s is there: %q", where, name, value)
		} else {
			assert.Equal(t, want[name], value, fmt.Sprintf("%s: header %s", where, name))
		}
	}
}
