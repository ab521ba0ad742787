package waf_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"

	"github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// The Core Rule Set's regression tests, as they come in its Go module, in go-ftw's format.
type ftwFile struct {
	RuleID int       `yaml:"rule_id"`
	Tests  []ftwTest `yaml:"tests"`
}

type ftwTest struct {
	ID     int        `yaml:"test_id"`
	Stages []ftwStage `yaml:"stages"`
}

type ftwStage struct {
	Input struct {
		Method   *string       `yaml:"method"`
		URI      *string       `yaml:"uri"`
		Version  *string       `yaml:"version"`
		Headers  yaml.MapSlice `yaml:"headers"`
		Data     string        `yaml:"data"`
		Encoded  string        `yaml:"encoded_request"`
		Complete *bool         `yaml:"autocomplete_headers"`
	} `yaml:"input"`
	Output ftwOutput `yaml:"output"`
}

type ftwOutput struct {
	Status      int   `yaml:"status"`
	ExpectError *bool `yaml:"expect_error"`
	Log         struct {
		Expect       []int  `yaml:"expect_ids"`
		NotExpect    []int  `yaml:"no_expect_ids"`
		MatchRegex   string `yaml:"match_regex"`
		NoMatchRegex string `yaml:"no_match_regex"`
	} `yaml:"log"`
}

// exception is a test that is not expected to come out as the suite says, with the reason.
type exception struct {
	Test   string     `yaml:"test"`
	Reason string     `yaml:"reason"`
	Output *ftwOutput `yaml:"output"` // what is expected instead; absent: the test is not run
	// Multiphase is for what differs only if rules are evaluated in every phase that has one of their variables.
	Multiphase bool `yaml:"multiphase"`
}

const maxExceptions = 40

func loadExceptions(t *testing.T) map[string]exception {
	t.Helper()
	text, err := os.ReadFile("testdata/coreruleset-exceptions.yaml")
	require.NoError(t, err)
	var list []exception
	require.NoError(t, yaml.UnmarshalWithOptions(text, &list, yaml.Strict()))
	require.LessOrEqual(t, len(list), maxExceptions)
	byTest := map[string]exception{}
	for _, e := range list {
		require.NotEmpty(t, e.Reason, e.Test)
		require.NotContains(t, byTest, e.Test)
		if multiphase || !e.Multiphase {
			byTest[e.Test] = e
		}
	}
	return byTest
}

// TestCoreRuleSet runs the suite with the settings that it asks for, see rules/ftw.conf.
func TestCoreRuleSet(t *testing.T) {
	exceptions := loadExceptions(t)
	var ran, skipped, overridden atomic.Int32
	unused := maps.Clone(exceptions)
	// A firewall is not safe for concurrent use.
	firewalls := make(chan *waf.Firewall, runtime.GOMAXPROCS(0))
	for range cap(firewalls) {
		firewalls <- compile(t, `{"rules": ["Include @recommended-conf", "Include @ftw-conf", "Include @crs-setup-conf",
			"Include @owasp_crs/*.conf"]}`)
	}
	files, err := fs.Glob(tests.FS, "*/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 318)
	t.Run("files", func(t *testing.T) {
		for _, name := range files {
			text, err := fs.ReadFile(tests.FS, name)
			require.NoError(t, err)
			var file ftwFile
			require.NoError(t, yaml.Unmarshal(text, &file), name)
			for _, test := range file.Tests {
				delete(unused, file.name(test))
			}
			t.Run(strconv.Itoa(file.RuleID), func(t *testing.T) {
				t.Parallel()
				f := <-firewalls
				defer func() { firewalls <- f }()
				for _, test := range file.Tests {
					e, excepted := exceptions[file.name(test)]
					if excepted && e.Output == nil {
						skipped.Add(1)
						continue
					}
					if excepted {
						overridden.Add(1)
						test.Stages[len(test.Stages)-1].Output = *e.Output
					}
					ran.Add(1)
					for _, stage := range test.Stages {
						stage.run(t, f, file.name(test))
					}
				}
			})
		}
	})
	assert.Empty(t, slices.Sorted(maps.Keys(unused)), "exceptions of tests that there are not")
	t.Logf("%d tests of %d files ran, %d of them with another expectation; %d did not run", ran.Load(), len(files), overridden.Load(), skipped.Load())
	if !t.Failed() {
		assert.EqualValues(t, 4674, ran.Load()+skipped.Load())
	}
}

func (f *ftwFile) name(test ftwTest) string { return fmt.Sprintf("%d-%d", f.RuleID, test.ID) }

func (s *ftwStage) run(t *testing.T, f *waf.Firewall, name string) {
	t.Helper()
	r, err := s.request()
	status, log := 400, "" // what is not HTTP is refused by whatever reads it
	if err == nil {
		status, log = r.through(f)
	}
	o := &s.Output
	if o.ExpectError != nil {
		assert.Equal(t, *o.ExpectError, err != nil, "%s: the request is not HTTP: %v", name, err)
		return
	}
	if o.Status != 0 {
		assert.Equal(t, o.Status, status, "%s: status\n%s", name, log)
	}
	for _, id := range o.Log.Expect {
		assert.Contains(t, log, fmt.Sprintf("[id \"%d\"]", id), name)
	}
	for _, id := range o.Log.NotExpect {
		assert.NotContains(t, log, fmt.Sprintf("[id \"%d\"]", id), name)
	}
	if o.Log.MatchRegex != "" {
		assert.Regexp(t, o.Log.MatchRegex, log, name)
	}
	if o.Log.NoMatchRegex != "" {
		assert.NotRegexp(t, o.Log.NoMatchRegex, log, name)
	}
}

// ftwRequest is a request as a proxy has read it.
type ftwRequest struct {
	method, target, version string
	headers                 [][2]string
	body                    []byte
}

// request makes of a stage what go-ftw would send, and reads it as a server does.
func (s *ftwStage) request() (*ftwRequest, error) {
	if s.Input.Encoded != "" {
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s.Input.Encoded), ""))
		if err != nil {
			return nil, err
		}
		return readRequest(raw)
	}
	r := &ftwRequest{method: or(s.Input.Method, "GET"), target: or(s.Input.URI, "/"), version: or(s.Input.Version, "HTTP/1.1")}
	contentType := ""
	sized, connection := false, false
	for _, h := range s.Input.Headers {
		name, value := fmt.Sprint(h.Key), fmt.Sprint(h.Value)
		r.headers = append(r.headers, [2]string{strings.ToLower(name), value})
		switch strings.ToLower(name) {
		case "content-type":
			contentType = value
		case "content-length":
			sized = true
		case "connection":
			connection = true
		}
	}
	data := expandTemplate(s.Input.Data)
	complete := s.Input.Complete == nil || *s.Input.Complete
	if data != "" && complete {
		if contentType == "" {
			contentType = "application/x-www-form-urlencoded"
			r.headers = append(r.headers, [2]string{"content-type", contentType})
		}
		if contentType == "application/x-www-form-urlencoded" {
			data = encodeForm(data)
		}
	}
	if strings.HasPrefix(contentType, "multipart/form-data;") {
		data = strings.ReplaceAll(data, "\n", "\r\n")
	}
	r.body = []byte(data)
	if complete {
		if !connection {
			r.headers = append(r.headers, [2]string{"connection", "close"})
		}
		hasBody := r.method == "POST" || r.method == "PUT" || r.method == "PATCH" || r.method == "DELETE"
		if !sized && (data != "" || hasBody) {
			r.headers = append(r.headers, [2]string{"content-length", strconv.Itoa(len(data))})
		}
	}
	return r, r.check()
}

// encodeForm escapes data that is not escaped yet.
func encodeForm(data string) string {
	if plain, err := url.QueryUnescape(data); err != nil || plain != data {
		return data
	}
	pairs := strings.Split(strings.TrimSuffix(data, "&"), "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		pairs[i] = url.QueryEscape(name)
		if ok {
			pairs[i] += "=" + url.QueryEscape(value)
		}
	}
	return strings.Join(pairs, "&")
}

// expandTemplate fills in what a few tests write as a template of Go.
func expandTemplate(data string) string {
	if !strings.Contains(data, "{{") {
		return data
	}
	repeat := func(n int, s string) string { return strings.Repeat(s, n) }
	t, err := template.New("").Funcs(template.FuncMap{"repeat": repeat}).Parse(data)
	if err != nil {
		return data
	}
	var out strings.Builder
	if t.Execute(&out, nil) != nil {
		return data
	}
	return out.String()
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
	for _, h := range r.headers {
		if h[0] == "host" {
			h[0] = ":authority"
		}
		headers = append(headers, h)
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
		status, answer, body = r.backend()
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

// backend answers as the suite's own does (github.com/coreruleset/albedo): what a POST to /reflect asks for, else nothing.
func (r *ftwRequest) backend() (status int, headers [][2]string, body []byte) {
	path, _, _ := strings.Cut(r.target, "?")
	if r.method != "POST" || path != "/reflect" && !strings.HasPrefix(path, "/reflect/") {
		return 200, nil, nil
	}
	var spec struct {
		Status      int               `json:"status"`
		Headers     map[string]string `json:"headers"`
		Body        string            `json:"body"`
		EncodedBody []byte            `json:"encodedBody"`
	}
	if json.Unmarshal(r.body, &spec) != nil {
		return 400, [][2]string{{"content-type", "text/plain; charset=utf-8"}}, []byte("Invalid JSON in request body")
	}
	if status = spec.Status; status == 0 {
		status = 200
	}
	if body = []byte(spec.Body); len(body) == 0 {
		body = spec.EncodedBody
	}
	typed := false
	for name, value := range spec.Headers {
		headers = append(headers, [2]string{strings.ToLower(name), value})
		typed = typed || strings.EqualFold(name, "content-type")
	}
	if !typed && len(body) > 0 {
		headers = append(headers, [2]string{"content-type", http.DetectContentType(body)})
	}
	return status, headers, body
}

func or(s *string, def string) string {
	if s == nil {
		return def
	}
	return *s
}

func compile(t testing.TB, configuration string) *waf.Firewall {
	t.Helper()
	c, err := waf.Decode([]byte(configuration))
	require.NoError(t, err)
	f, err := waf.Compile(c)
	require.NoError(t, err)
	return f
}
