package filters_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/palisade-mesh/palisade/"
	ours   = module + "filters/sdk"
)

// forbidden is what no package in a Wasm module imports, with the reason. The standard library's own imports
// are its own affair: crypto drags in fmt, but nothing on a request's path calls it.
var forbidden = map[string]string{
	"fmt":           "formats by reflection, and allocates for it",
	"encoding/json": "decodes by reflection, keeps the last of duplicate members and ignores their case",
	"encoding/asn1": "decodes by reflection",
	"reflect":       "is slow in Wasm and incomplete in TinyGo",
	"crypto/x509":   "needs net, and 1 MB",
	"net":           "does not exist in a proxy",
	"net/http":      "does not exist in a proxy",
	"os/exec":       "does not exist in a proxy",
	"testing":       "belongs to tests",
	"regexp":        "backs patterns that a policy's author cannot see the cost of",
}

// allowedModules are whose packages may be compiled to Wasm, beside ours and the standard library's.
var allowedModules = []string{
	"github.com/tidwall/gjson", "github.com/tidwall/match", "github.com/tidwall/pretty",
	"filippo.io/bigmod", "filippo.io/nistec", "golang.org/x/sys", // the standard library's arithmetic for ECDSA
}

// engines are filters whose engine is somebody else's, with the modules that it brings. What it imports is its own affair; packages of
// ours in them keep to the rules, but for what is told here.
var engines = map[string][]string{
	"waf-filter": {
		"github.com/corazawaf/coraza/v3", "github.com/corazawaf/coraza-coreruleset/v4",
		"github.com/corazawaf/libinjection-go", "github.com/wasilibs", "github.com/petar-dambovaliev/aho-corasick",
		"github.com/goccy/go-json", "github.com/goccy/go-yaml", "github.com/gotnospirit", "github.com/kaptinlin",
		"github.com/valllabh/ocsf-schema-golang", "golang.org/x", "google.golang.org/protobuf", "rsc.io/binaryregexp",
	},
}

// exceptions are imports that forbidden names and that are nevertheless there.
var exceptions = map[string][]string{
	module + "waf-filter/waf":   {"fmt"},           // for the type of a parameter of an interface of Coraza's
	"github.com/tidwall/pretty": {"encoding/json"}, // behind gjson's @pretty, which no path of ours has
}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// TestWasmImports looks at all that is compiled into each filter's module.
func TestWasmImports(t *testing.T) {
	filters := filterDirs(t)
	require.NotEmpty(t, filters)
	for _, filter := range filters {
		t.Run(filter, func(t *testing.T) {
			packages := dependencies(t, filter)
			assert.Empty(t, violations(packages, engines[filter]))
			assert.True(t, slices.ContainsFunc(packages, func(p listed) bool { return p.ImportPath == ours }),
				"the module does not talk to a host at all")
		})
	}
}

// TestOnlyOnePackageTalksToTheHost looks at all files of the repository, whatever they are compiled to.
func TestOnlyOnePackageTalksToTheHost(t *testing.T) {
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 2 && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if talksToHost(string(text)) {
			found[filepath.ToSlash(filepath.Dir(file))] = true
		}
		return err
	}))
	assert.Equal(t, map[string]bool{"../filters/sdk": true}, found)
}

// talksToHost tells whether a file imports functions of a Wasm host or exports some to it.
func talksToHost(source string) bool {
	for line := range strings.Lines(source) {
		for _, directive := range []string{"//go:wasmimport ", "//go:wasmexport ", "//export "} {
			if strings.HasPrefix(line, directive) {
				return true
			}
		}
	}
	return false
}

func TestViolationsAreFound(t *testing.T) {
	found := violations([]listed{
		{ImportPath: module + "x", Imports: []string{"strings", "fmt"}},
		{ImportPath: module + "y", Imports: []string{"strconv", "net/http"}},
		{ImportPath: "example.com/heavy", Imports: []string{"strings"}},
		{ImportPath: "crypto/rsa", Standard: true, Imports: []string{"fmt"}},
		{ImportPath: "github.com/tidwall/pretty", Imports: []string{"encoding/json", "net"}},
		{ImportPath: "example.com/engine/v3/part", Imports: []string{"fmt"}},
	}, []string{"example.com/engine/v3"})
	assert.Len(t, found, 4, "%v", found)
	assert.True(t, talksToHost("package x\n\n//go:wasmimport env proxy_log\nfunc f()\n"))
	assert.False(t, talksToHost("package x\n\n// see //export\n"))
}

func violations(packages []listed, engine []string) []string {
	var found []string
	for _, p := range packages {
		inAllowed := func(m string) bool { return p.ImportPath == m || strings.HasPrefix(p.ImportPath, m+"/") }
		if p.Standard || slices.ContainsFunc(engine, inAllowed) {
			continue
		}
		if !strings.HasPrefix(p.ImportPath, module) && !slices.ContainsFunc(allowedModules, inAllowed) {
			found = append(found, p.ImportPath+" is of a module that is not allowed in Wasm")
		}
		for _, imported := range p.Imports {
			if reason := forbidden[imported]; reason != "" && !slices.Contains(exceptions[p.ImportPath], imported) {
				found = append(found, p.ImportPath+" imports "+imported+", which "+reason)
			}
		}
	}
	return found
}

// dependencies lists a pattern's packages with all that they depend on, as they are compiled to Wasm.
func dependencies(t *testing.T, pattern string) []listed {
	t.Helper()
	command := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Imports", "-tags", "tinygo.wasm", "./"+pattern)
	command.Dir = ".."
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, stderr.String())
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p listed
		require.NoError(t, decoder.Decode(&p))
		packages = append(packages, p)
	}
	return packages
}

// filterDirs are the directories of the repository that hold a filter.
func filterDirs(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("../*-filter/main.go")
	require.NoError(t, err)
	var dirs []string
	for _, m := range mains {
		dirs = append(dirs, filepath.Base(filepath.Dir(m)))
	}
	return dirs
}
