package operation_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
	"github.com/palisade-mesh/palisade/filters/request"
)

func decode(doc string) (operation.Operation, error) {
	d, root := config.Parse([]byte(doc))
	var o operation.Operation
	o.Decode(root.Object(operation.Fields...), match.DecodeAndMergeSlash)
	return o, d.Err()
}

func TestMatch(t *testing.T) {
	const port8443 = "\xfb\x20\x00\x00\x00\x00\x00\x00"
	for doc, want := range map[string]string{ // "": matches; else the field that does not
		`{}`: "",
		`{"methods": ["GET"], "paths": ["/a/*"], "hosts": ["api.example"], "ports": [8443]}`: "",
		`{"methods": ["POST", "GET"]}`:                 "",
		`{"methods": ["get"]}`:                         "methods",
		`{"notMethods": ["G*"]}`:                       "notMethods",
		`{"notMethods": ["POST"]}`:                     "",
		`{"paths": ["/b", "/a/{*}"]}`:                  "",
		`{"paths": ["/b"]}`:                            "paths",
		`{"paths": ["/a/*"], "notPaths": ["/a/b"]}`:    "notPaths",
		`{"hosts": ["other.example", "API.example."]}`: "",
		`{"hosts": ["api.example:80"]}`:                "hosts",
		`{"notHosts": ["*.example"]}`:                  "notHosts",
		`{"ports": ["8443"]}`:                          "",
		`{"ports": ["443"]}`:                           "ports",
		`{"notPorts": [8443]}`:                         "notPorts",
		`{"notPorts": [443], "notHosts": ["x"]}`:       "",
		`{"methods": ["PUT"], "paths": ["/x"]}`:        "paths", // what is asked for, before how
	} {
		o, err := decode(doc)
		require.NoError(t, err, doc)
		h := &hosttest.Host{
			Headers:    [][2]string{{":method", "GET"}, {":path", "/a/b?c"}, {":authority", "Api.Example:8443"}},
			Properties: map[string]string{"destination.port": port8443},
		}
		r, err := request.Load(h)
		require.NoError(t, err)
		f, ok, err := o.Match(r, r.RawPath())
		require.NoError(t, err, doc)
		assert.Equal(t, want == "", ok, doc)
		assert.Equal(t, want, f.Field, doc)
	}
}

func TestMatchCannotTellWithoutThePort(t *testing.T) {
	for name, h := range map[string]*hosttest.Host{
		"the host fails":     {Fault: func(_ int, call string) bool { return call == "Property" }},
		"there is none":      {},
		"it is no number":    {Properties: map[string]string{"destination.port": "443"}},
		"it is another kind": {Properties: map[string]string{"destination.port": "\x01\x00\x00\x00"}},
	} {
		for _, doc := range []string{`{"ports": [443]}`, `{"notPorts": [443]}`} {
			o, err := decode(doc)
			require.NoError(t, err)
			r, err := request.Load(h)
			require.NoError(t, err)
			_, ok, err := o.Match(r, "/")
			assert.Error(t, err, name)
			assert.False(t, ok, name)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		`{"methods": []}`:            "$.methods: the list is empty",
		`{"methods": ["G*T"]}`:       "$.methods[0]:",
		`{"paths": ["a"]}`:           "a path pattern starts with '/' or '*'",
		`{"paths": ["/a", "/{id}"]}`: "$.paths[1]:",
		`{"paths": [""]}`:            "$.paths[0]: the string is empty",
		`{"hosts": ["a*b"]}`:         "$.hosts[0]:",
		`{"ports": ["0"]}`:           "expected a port",
		`{"ports": ["080"]}`:         "expected a port",
		`{"ports": ["+80"]}`:         "expected a port",
		`{"ports": ["65536"]}`:       "expected a port",
		`{"ports": [0]}`:             "from 1 to 65535",
		`{"ports": [80.0]}`:          "from 1 to 65535",
		`{"ports": [null]}`:          "expected a whole number, found null",
		`{"path": ["/a"]}`:           `did you mean "paths"`,
	} {
		_, err := decode(doc)
		require.Error(t, err, doc)
		assert.True(t, strings.Contains(err.Error(), want), "%s gives %v", doc, err)
	}
}

// A pattern that no path in normal form can match would be a rule that silently never applies.
func TestDecodeRefusesPathsThatNeverMatch(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a%3bb": `"/a%3Bb"`, "/a%41b": `"/aAb"`, "/a//b": `"/a/b"`, "/a/../b": `"/b"`, "/a%2Fb": `"/a/b"`, `/a\b`: `"/a/b"`,
		"/a/./*": `"/a/*"`, "*//b": `"*/b"`, "/a//{*}": `"/a/{*}"`, "/a?x": "never have a '?'", "/a#x": "never have a '?'",
		"/a%00": "NUL", "/a//../b": "not everybody reads alike",
	} {
		_, err := decode(`{"paths": [` + strconv.Quote(pattern) + `]}`)
		assert.ErrorContains(t, err, want, pattern)
	}
	for _, pattern := range []string{"/", "/a/", "/a.b", "/a/.git", "/a/.*", "*/.git", "*", "*.json", "/a%3Bb", "/a;b", "/{*}/a/{**}", "/a/...", "/~a"} {
		_, err := decode(`{"paths": [` + strconv.Quote(pattern) + `]}`)
		assert.NoError(t, err, pattern)
	}
}

func TestPathsAsTheyAre(t *testing.T) {
	d, root := config.Parse([]byte(`{"paths": ["/a//b", "/a%41"]}`))
	new(operation.Operation).Decode(root.Object(operation.Fields...), match.None)
	assert.NoError(t, d.Err())
}
