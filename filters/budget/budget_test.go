package budget

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What nobody checks would only be believed.
func TestEachSectionIsChecked(t *testing.T) {
	f, root := Find(t)
	filters, err := filepath.Glob(filepath.Join(root, "*-filter", "main.go"))
	require.NoError(t, err)
	for _, main := range filters {
		assert.NotEmpty(t, f.Requests[filepath.Base(filepath.Dir(main))], main)
	}
	assert.Len(t, f.Requests, len(filters))
	for filter := range f.Requests {
		assert.True(t, tests(t, filepath.Join(root, filter, "plugin"), "casetest.NativeBudgets("), filter)
		assert.True(t, tests(t, filepath.Join(root, filter, "plugin"), "casetest.WasmBudgets("), filter)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(module), "\ngo "+f.Go+".", "the version with which benchmarks are checked")
	for dir := range f.Benchmarks {
		assert.True(t, tests(t, filepath.Join(root, dir), "budget.Check("), dir)
	}
}

// tests tells whether a package's tests call something.
func tests(t *testing.T, dir, call string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if strings.Contains(string(text), call) {
			return true
		}
	}
	return false
}

// failures is a test that only notes why it has failed.
type failures struct {
	testing.TB
	list []string
}

func (*failures) Helper() {}
func (f *failures) Errorf(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

func TestCalls(t *testing.T) {
	r := &Request{Name: "a request", Calls: []string{"RequestHeaders", "Property", "Property", "Log"}}
	for calls, want := range map[string]string{
		"RequestHeaders Property Property Log":      "",
		"RequestHeaders Property Property Log Log":  "host calls beyond docs/budgets.yaml: Log",
		"RequestHeaders Property":                   "are gone: Property, Log. It is better now",
		"RequestHeaders Property AddMetric Log Log": "other host calls than in docs/budgets.yaml: AddMetric, Log, and not Property",
		"Property RequestHeaders Property Log":      "in another order",
	} {
		f := &failures{TB: t}
		CheckCalls(f, "a-filter", r, strings.Fields(calls))
		expect(t, f, want)
		if want != "" {
			assert.Contains(t, f.list[0], "calls: ["+strings.ReplaceAll(calls, " ", ", ")+"]", "to be pasted")
		}
	}
}

func TestAllocations(t *testing.T) {
	two := uint64(2)
	for name, c := range map[string]struct {
		budget *uint64
		varies bool
		counts []uint64
		want   string
	}{
		"as noted":                 {&two, false, []uint64{2, 2}, ""},
		"more":                     {&two, false, []uint64{3, 3}, "3 allocations, not 2: if it is worth it"},
		"fewer":                    {&two, false, []uint64{1, 1}, "1 allocations, not 2: it is better now"},
		"some more":                {&two, false, []uint64{2, 3}, "some requests allocate more"},
		"some more, as noted":      {&two, true, []uint64{3, 2}, ""},
		"all more than is noted":   {&two, true, []uint64{4, 3}, "3 allocations, not 2"},
		"some fewer than is noted": {&two, true, []uint64{2, 1}, "1 allocations, not 2"},
		"no budget":                {nil, false, []uint64{7, 8}, ""},
	} {
		f := &failures{TB: t}
		CheckModule(f, "a-filter", &Request{Name: name, Allocations: c.budget, Varies: c.varies}, nil, c.counts)
		expect(t, f, c.want)
	}
}

func expect(t *testing.T, f *failures, want string) {
	t.Helper()
	if want == "" {
		assert.Empty(t, f.list)
		return
	}
	if assert.Len(t, f.list, 1) {
		assert.Contains(t, f.list[0], want)
	}
}

var kept []byte

func TestCount(t *testing.T) {
	assert.Equal(t, Memory{}, count(func() {}))
	assert.Equal(t, Memory{1, 64}, count(func() { kept = make([]byte, 64) }))
	assert.Contains(t, difference(Memory{1, 64}, Memory{2, 64}), "it is better now")
	assert.Contains(t, difference(Memory{1, 64}, Memory{1, 63}), "1 allocations of 64 bytes, not 1 allocations of 63 bytes: if it is worth it")
	assert.Contains(t, difference(Memory{1, 64}, Memory{2, 63}), "if it is worth it")
}

func TestRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rows")
	t.Setenv(Variable, file)
	one := uint64(1)
	CheckModule(t, "a-filter", &Request{Name: "a request", Calls: []string{"Log"}}, []string{"Log"}, []uint64{7})
	report(t, Row{"a/package", "Op", "bytes", 64, &one})
	rows, err := Rows(file)
	require.NoError(t, err)
	assert.Equal(t, []Row{
		{"a-filter", "a request", "host calls", 1, &one}, {"a-filter", "a request", "allocations", 7, nil}, {"a/package", "Op", "bytes", 64, &one},
	}, rows)
}
