package e2e

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/jwtauthn"
)

var (
	jwtSeed     = flag.Uint64("jwtauthn.seed", 1, "the first seed of TestJWTAuthn")
	jwtRequests = flag.Int("jwtauthn.requests", 2000, "how many requests TestJWTAuthn makes up, each with the next seed")
)

// TestJWTAuthn sends the same requests through jwt-filter and through Envoy's own jwt_authn, and compares what becomes of
// them. Where the two do not agree, one of jwtauthn.Classes has to say why, and each of those is shown to be there.
func TestJWTAuthn(t *testing.T) {
	p := startPair(t)
	for _, class := range jwtauthn.Classes {
		t.Run(class.Name, func(t *testing.T) { p.show(t, &class) })
	}
	t.Logf("seed %d", *jwtSeed)
	for i := range *jwtRequests {
		seed := *jwtSeed + uint64(i)
		q := jwtauthn.NewRandom(seed).Request(time.Now())
		p.compare(t, fmt.Sprintf("seed %d", seed), &q)
	}
	t.Logf("%d requests: %d allowed by both, %d by none, %d by jwt_authn, %d by jwt-filter, %d by both with a difference",
		*jwtRequests, p.allowed, p.denied, p.kinds[jwtauthn.Stricter], p.kinds[jwtauthn.Looser], p.kinds[jwtauthn.Differs])
	for _, class := range jwtauthn.Classes {
		t.Logf("%6d  %s", p.classes[class.Name], class.Name)
	}
	// A comparison that tries little is worth little.
	if *jwtRequests >= 2000 {
		assert.Greater(t, p.allowed, *jwtRequests/6)
		assert.Greater(t, p.denied, *jwtRequests/6)
	}
}

// TestJWTAuthnREADME has the README list the classes, and nothing else.
func TestJWTAuthnREADME(t *testing.T) {
	root, err := envoy.ModuleRoot()
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(root, "jwt-filter", "README.md"))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(readme), "\n## Where this differs from Envoy's jwt_authn\n")
	require.True(t, ok, "jwt-filter/README.md lacks the section")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			listed = append(listed, strings.TrimSpace(cells[1]))
		}
	}
	require.Greater(t, len(listed), 2, "the section has no table")
	var names []string
	for _, class := range jwtauthn.Classes {
		names = append(names, class.Name)
	}
	assert.Equal(t, names, listed[2:]) // below the heading and its line
}

// pair is one Envoy with a listener for each of the two filters.
type pair struct {
	ours, theirs *side

	allowed, denied int
	kinds           map[jwtauthn.Kind]int
	classes         map[string]int
}

func startPair(t *testing.T) *pair {
	t.Helper()
	upstream := startUpstream(t)
	e := startEnvoy(t, render(t, envoy.Bootstrap{
		Clusters: []envoy.Cluster{upstream.Cluster("upstream")},
		Listeners: []envoy.Listener{
			{Name: "jwt-filter", Cluster: "upstream", Filters: []envoy.Wasm{{Name: "jwt-filter", Config: jwtauthn.Config()}}},
			{Name: "jwt_authn", Cluster: "upstream", Native: []envoy.Extension{jwtauthn.Native()}},
		},
	}))
	p := &pair{
		ours: &side{address: e.Listener("jwt-filter")}, theirs: &side{address: e.Listener("jwt_authn")},
		kinds: map[jwtauthn.Kind]int{}, classes: map[string]int{},
	}
	t.Cleanup(p.ours.close)
	t.Cleanup(p.theirs.close)
	return p
}

// show sends a class's example, and requires that it is one.
func (p *pair) show(t *testing.T, class *jwtauthn.Class) {
	for {
		now := time.Now()
		q := class.Example(jwtauthn.Maker{Now: now})
		ours, theirs := p.ours.send(t, &q), p.theirs.send(t, &q)
		if time.Now().Unix() != now.Unix() {
			continue // both have to be asked within the second in which it was made
		}
		kind, headers := disagreement(ours, theirs)
		require.NotZero(t, kind, "the two agree\n%v\njwt-filter %v\njwt_authn %v", q, ours, theirs)
		want := class.Shows
		if want == 0 {
			want = class.Kinds
		}
		require.Equal(t, want, kind, "%v\njwt-filter %v\njwt_authn %v", q, ours, theirs)
		require.Contains(t, jwtauthn.Explain(&q, kind, headers), class.Name)
		return
	}
}

func (p *pair) compare(t *testing.T, name string, q *jwtauthn.Request) {
	ours, theirs := p.ours.send(t, q), p.theirs.send(t, q)
	require.NotEqual(t, http.StatusServiceUnavailable, ours.status, "%s: jwt-filter could not decide: %v %v", name, q, ours)
	kind, headers := disagreement(ours, theirs)
	p.kinds[kind]++
	switch {
	case kind != 0:
	case ours.allowed:
		p.allowed++
		return
	default:
		p.denied++
		return
	}
	reasons := jwtauthn.Explain(q, kind, headers)
	assert.NotEmpty(t, reasons, "%s: the two do not agree, for no reason that is listed\n%v\njwt-filter %v\njwt_authn  %v\nheaders that differ: %v",
		name, q, ours, theirs, headers)
	for _, reason := range reasons {
		p.classes[reason]++
	}
}

// disagreement is 0 if there is none; headers are those that differ.
func disagreement(ours, theirs outcome) (kind jwtauthn.Kind, headers []string) {
	switch {
	case ours.allowed != theirs.allowed && ours.allowed:
		return jwtauthn.Looser, nil
	case ours.allowed != theirs.allowed:
		return jwtauthn.Stricter, nil
	case ours.malformed != theirs.malformed:
		return jwtauthn.Differs, []string{":path"}
	}
	for _, header := range []http.Header{ours.header, theirs.header} {
		for name := range maps.Keys(header) {
			if !slices.Equal(ours.header[name], theirs.header[name]) && !slices.Contains(headers, strings.ToLower(name)) {
				headers = append(headers, strings.ToLower(name))
			}
		}
	}
	if headers == nil {
		return 0, nil
	}
	return jwtauthn.Differs, headers
}

// outcome is what became of a request: what the upstream got, or what was answered instead.
type outcome struct {
	allowed   bool
	malformed bool // allowed, but the upstream could not read it
	status    int
	body      string
	header    http.Header
}

func (o outcome) String() string {
	switch {
	case o.malformed:
		return "allows it, and the upstream takes it for malformed"
	case o.allowed:
		return fmt.Sprintf("allows it, upstream gets %v", o.header)
	}
	return fmt.Sprintf("answers %d %s", o.status, o.body)
}

// side is one of the two filters, with a connection to it.
type side struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

// send writes the request as it is: a client of net/http would not send some of them.
func (s *side) send(t *testing.T, q *jwtauthn.Request) outcome {
	t.Helper()
	if s.conn == nil {
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		s.conn, s.reader = conn, bufio.NewReader(conn)
	}
	require.NoError(t, s.conn.SetDeadline(time.Now().Add(time.Minute)))
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nhost: service.test\r\nx-request-id: 1\r\n", q.Target())
	for _, h := range q.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	_, err := io.WriteString(s.conn, b.String())
	require.NoError(t, err)
	response, err := http.ReadResponse(s.reader, nil)
	require.NoError(t, err, "%v", q)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if response.Close {
		s.close()
	}
	o := outcome{status: response.StatusCode, body: string(body)}
	// What net/http answers by itself. It may come of a path that was written without its escapes.
	if o.status == http.StatusBadRequest && o.body == "400 Bad Request" {
		o.allowed, o.malformed = true, true
	}
	var echo envoy.Echo
	if o.status == http.StatusOK {
		require.NoError(t, json.Unmarshal(body, &echo))
		path, _, _ := strings.Cut(echo.Path, "?")
		require.Equal(t, q.Path, path)
		o.allowed, o.header = true, echo.Header
		o.header[":path"] = []string{echo.Path}
	}
	return o
}

func (s *side) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}
