package waf_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// TestCoreRuleSet runs the suite with the settings that it asks for, see rules/ftw.conf.
func TestCoreRuleSet(t *testing.T) {
	exceptions, err := coreruleset.LoadExceptions(multiphase, "testdata/coreruleset-exceptions.yaml")
	require.NoError(t, err)
	require.LessOrEqual(t, len(exceptions), 40)
	files, err := coreruleset.Load()
	require.NoError(t, err)
	var ran, overridden atomic.Int32
	unused := maps.Clone(exceptions)
	// A firewall is not safe for concurrent use.
	firewalls := make(chan *waf.Firewall, runtime.GOMAXPROCS(0))
	for range cap(firewalls) {
		firewalls <- compile(t, `{"rules": ["Include @recommended-conf", "Include @ftw-conf", "Include @crs-setup-conf",
			"Include @owasp_crs/*.conf"]}`)
	}
	t.Run("files", func(t *testing.T) {
		for _, file := range files {
			for _, test := range file.Tests {
				delete(unused, test.Name)
			}
			t.Run(strconv.Itoa(file.RuleID), func(t *testing.T) {
				t.Parallel()
				f := <-firewalls
				defer func() { firewalls <- f }()
				for _, test := range file.Tests {
					if e, excepted := exceptions[test.Name]; excepted {
						require.NoError(t, e.Apply(&test))
						overridden.Add(1)
					}
					ran.Add(1)
					for _, stage := range test.Stages {
						stage.Output.Check(t, test.Name, send(t, f, &stage.Input))
					}
				}
			})
		}
	})
	assert.Empty(t, slices.Sorted(maps.Keys(unused)), "exceptions of tests that there are not")
	t.Logf("%d tests of %d files ran, %d of them with another expectation", ran.Load(), len(files), overridden.Load())
	if !t.Failed() {
		assert.EqualValues(t, coreruleset.Tests, ran.Load())
	}
}

func send(t *testing.T, f *waf.Firewall, input *coreruleset.Input) coreruleset.Result {
	t.Helper()
	sent, err := input.Request()
	require.NoError(t, err)
	r, err := read(sent)
	if err != nil {
		return coreruleset.Result{Status: 400, NotHTTP: err} // what is not HTTP is refused by whatever reads it
	}
	status, log := r.through(f)
	return coreruleset.Result{Status: status, Log: log}
}

// ftwRequest is a request as a proxy has read it.
type ftwRequest struct {
	method, target, version string
	headers                 [][2]string
	body                    []byte
}

// read reads a request as a server does.
func read(sent *coreruleset.Request) (*ftwRequest, error) {
	if sent.Raw != nil {
		return readRequest(sent.Raw)
	}
	r := &ftwRequest{method: sent.Method, target: sent.Target, version: sent.Version, body: sent.Body}
	for _, h := range sent.Headers {
		r.headers = append(r.headers, [2]string{strings.ToLower(h[0]), h[1]})
	}
	return r, r.check()
}

func readRequest(raw []byte) (*ftwRequest, error) {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	words := strings.Split(lines[0], " ")
	if len(words) != 3 {
		return nil, fmt.Errorf("request line %q", lines[0])
	}
	r := &ftwRequest{method: words[0], target: words[1], version: words[2], body: body}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header line %q", line)
		}
		r.headers = append(r.headers, [2]string{strings.ToLower(name), strings.Trim(value, " \t")})
		if strings.EqualFold(name, "transfer-encoding") {
			plain, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
			if err != nil {
				return nil, err
			}
			if r.body, err = io.ReadAll(plain.Body); err != nil {
				return nil, err
			}
		}
	}
	return r, r.check()
}

var (
	methodToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	httpVersion = regexp.MustCompile(`^HTTP/[0-9]\.[0-9]$`)
)

// check refuses what no HTTP server takes (RFC 9112 sections 2.3, 3 and 5).
func (r *ftwRequest) check() error {
	switch {
	case !methodToken.MatchString(r.method):
		return fmt.Errorf("method %q", r.method)
	case !httpVersion.MatchString(r.version):
		return fmt.Errorf("version %q", r.version)
	case r.target == "" || strings.ContainsAny(r.target, " \r\n\x00"):
		return fmt.Errorf("target %q", r.target)
	}
	for _, h := range r.headers {
		if !headerToken.MatchString(h[0]) || strings.ContainsAny(h[1], "\r\n\x00") {
			return fmt.Errorf("header %q", h)
		}
	}
	return nil
}

// through sends the request through the firewall and, unless that blocks, to a backend that answers as the suite expects.
func (r *ftwRequest) through(f *waf.Firewall) (status int, log string) {
	headers := [][2]string{{":method", r.method}, {":path", r.target}, {":scheme", "http"}}
	sized := false
	for _, h := range r.headers {
		if h[0] == "host" {
			h[0] = ":authority"
		}
		headers = append(headers, h)
		sized = sized || h[0] == "content-length" || h[0] == "transfer-encoding"
	}
	if r.version == "HTTP/1.1" && !sized {
		r.body = nil // RFC 9112 section 6.3: there is none
	}
	var tx waf.Transaction
	connection := waf.Connection{ClientIP: "127.0.0.1", ClientPort: 40000, ServerIP: "127.0.0.1", ServerPort: 80, Protocol: r.version}
	step := f.Begin(&tx, &connection, headers, len(r.body) == 0)
	defer tx.Close()
	for body := r.body; step == waf.Hold; {
		n := min(len(body), 1000)
		step = tx.RequestBody(body[:n], n == len(body))
		body = body[n:]
	}
	status = int(tx.Decision().Status)
	if step != waf.Block {
		var answer [][2]string
		var body []byte
		status, answer, body = coreruleset.Answer(r.method, r.target, r.body)
		if step = tx.ResponseHeaders(append([][2]string{{":status", strconv.Itoa(status)}}, answer...), len(body) == 0); step == waf.Hold {
			step = tx.ResponseBody(body, true)
		}
		if step == waf.Block {
			status = int(tx.Decision().Status)
		}
	}
	tx.End()
	if !tx.Inspected() {
		return status, ""
	}
	return status, strings.Join(tx.ErrorLog(), "\n")
}

func compile(t testing.TB, configuration string) *waf.Firewall {
	t.Helper()
	c, err := waf.Decode([]byte(configuration))
	require.NoError(t, err)
	f, err := waf.Compile(c)
	require.NoError(t, err)
	return f
}
