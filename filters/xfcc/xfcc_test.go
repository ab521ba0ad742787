package xfcc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/xfcc"
)

const (
	hash  = "0a943e5dec60428e037084c327f0e5f528816264e088b67b7af8746ad515ea61"
	hash2 = "9c5d800445bac04db0df5ff7ebdf666757f87761b4ec01a3f9188650dcd1447c"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         []xfcc.Element
	}{
		{
			"what Envoy 1.40.0 wrote",
			`By=spiffe://example.org/ns/shop/sa/database;By=spiffe://example.org/second;Hash=` + hash +
				`;Cert="-----BEGIN%20CERTIFICATE-----%0AMIIB%2F%3D%0A";Chain="-----BEGIN";Subject="O=A\, B\; \"C\" = \\D"` +
				`;URI=spiffe://example.org/a;URI=https://b.example/x?y=1;DNS=a.example;DNS=b.example`,
			[]xfcc.Element{{
				By:      []string{"spiffe://example.org/ns/shop/sa/database", "spiffe://example.org/second"},
				Hash:    hash,
				Cert:    "-----BEGIN%20CERTIFICATE-----%0AMIIB%2F%3D%0A",
				Chain:   "-----BEGIN",
				Subject: `O=A\, B\; \"C\" = \\D`,
				URIs:    []string{"spiffe://example.org/a", "https://b.example/x?y=1"},
				DNS:     []string{"a.example", "b.example"},
			}},
		},
		{
			"two proxies",
			"By=http://frontend.example;Hash=" + hash + ";URI=http://client.example,By=http://backend.example;Hash=" + hash2 +
				";URI=http://frontend.example",
			[]xfcc.Element{
				{By: []string{"http://frontend.example"}, Hash: hash, URIs: []string{"http://client.example"}},
				{By: []string{"http://backend.example"}, Hash: hash2, URIs: []string{"http://frontend.example"}},
			},
		},
		{
			"no URI, an empty subject",
			"Hash=" + hash + `;Subject="";URI=`,
			[]xfcc.Element{{Hash: hash, URIs: []string{""}}},
		},
		{
			"a subject that ends in a backslash",
			`Subject="O=x\\";URI=a`,
			[]xfcc.Element{{Subject: `O=x\\`, URIs: []string{"a"}}},
		},
		{
			"a subject that ends in a quote",
			`Subject="O=\"x\"";URI=a`,
			[]xfcc.Element{{Subject: `O=\"x\"`, URIs: []string{"a"}}},
		},
		{
			"separators and another header in a subject",
			`Subject="O=x\";URI=spiffe://evil/a,By=b;Hash=` + hash + `",Hash=` + hash2,
			[]xfcc.Element{{Subject: `O=x\";URI=spiffe://evil/a,By=b;Hash=` + hash}, {Hash: hash2}},
		},
		{
			"names quoted, as documented",
			`By="a;b";URI="spiffe://example.org/a,b";DNS="c"`,
			[]xfcc.Element{{By: []string{"a;b"}, URIs: []string{"spiffe://example.org/a,b"}, DNS: []string{"c"}}},
		},
		{
			"keys that are not known",
			`New=1;By=a;SAN="x;\"y";URI=b;Z_-9=,a=`,
			[]xfcc.Element{{By: []string{"a"}, URIs: []string{"b"}}, {}},
		},
		{
			"lists of both elements do not run into each other",
			"By=a;By=b;URI=c,By=d;URI=e;URI=f",
			[]xfcc.Element{
				{By: []string{"a", "b"}, URIs: []string{"c"}},
				{By: []string{"d"}, URIs: []string{"e", "f"}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := xfcc.Parse(tt.header)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			again, err := xfcc.Parse(write(got))
			require.NoError(t, err)
			assert.Equal(t, tt.want, again)
		})
	}
}

func TestWhatEnvoyWritesIsWrittenTheSame(t *testing.T) {
	header := "By=a;By=b;Hash=" + hash +
		`;Cert="c";Chain="d";Subject="O=\"e\" \\";URI=f;URI=g=h;DNS=i,Hash=` + hash2 + `;Subject="";URI=`
	elements, err := xfcc.Parse(header)
	require.NoError(t, err)
	assert.Equal(t, header, write(elements))
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		offset       int
		message      string
	}{
		{"nothing", "", 0, "empty"},
		{"only a comma", ",", 0, "empty"},
		{"an empty element", "By=a,,By=b", 5, "empty"},
		{"an empty last element", "By=a,", 5, "empty"},
		{"an empty pair", "By=a;;URI=b", 5, "empty"},
		{"an empty last pair", "By=a;", 5, "empty"},
		{"a pair without =", "By=a;URI", 8, "no '='"},
		{"a pair without = before another", "By;URI=a", 2, "no '='"},
		{"no key", "=a", 0, "a key is missing"},
		{"a space after a comma", "By=a, By=b", 5, "a key has"},
		{"a space before =", "By =a", 2, "a key has"},
		{"a quoted key", `"By"=a`, 0, "a key has"},
		{"a key with a letter beyond ASCII", "URİ=a", 2, "a key has"},
		{"a known key in lower case", "By=a;uri=b", 5, "uri is not how Envoy writes URI"},
		{"a known key in upper case", "BY=a", 0, "BY is not how Envoy writes By"},
		{"two hashes", "Hash=" + hash + ";Hash=" + hash, 70, "Hash is repeated"},
		{"two hashes with something between", "Hash=" + hash + ";a=b;Hash=" + hash, 74, "Hash is repeated"},
		{"two subjects", `Subject="";Subject=""`, 11, "Subject is repeated"},
		{"two certificates", `Cert="";Cert=""`, 8, "Cert is repeated"},
		{"two chains", `Chain="";Chain=""`, 9, "Chain is repeated"},
		{"a name of the proxy after one of the client", "URI=a;By=b", 6, "By comes after URI"},
		{"a URI after a DNS name, which might have had it inside", "URI=;DNS=a;URI=spiffe://evil/a", 11, "URI comes after DNS"},
		{"URIs in two places", "URI=a;DNS=b;URI=c", 12, "URI comes after DNS"},
		{"a short hash", "Hash=" + hash[1:], 5, "Hash is not 64"},
		{"a hash in upper case", "Hash=" + strings.ToUpper(hash), 5, "Hash is not 64"},
		{"a quoted hash", `Hash="` + hash + `"`, 5, "Hash is not 64"},
		{"a subject without quotes", "Subject=CN=a", 8, "Subject is not quoted"},
		{"a certificate without quotes", "Cert=a", 5, "Cert is not quoted"},
		{"a chain without quotes", "Chain=a", 6, "Chain is not quoted"},
		{"a quote that is not closed", `By=a;Subject="CN=a`, 13, "a quote is not closed"},
		{"a closing quote that is escaped", `Subject="CN=a\"`, 8, "a quote is not closed"},
		{"a backslash at the end", `Subject="CN=a\`, 8, "a quote is not closed"},
		{"a backslash in a quoted name", `URI="a\"b"`, 4, "URI has a backslash"},
		{"text after a closing quote", `Subject="a"b`, 11, "something follows"},
		{"a space after a closing quote", `Subject="a" ;URI=b`, 11, "something follows"},
		{"a second quoted text", `Subject="a""b"`, 11, "something follows"},
		{"a quote inside of a name", `URI=a"b"`, 5, "a quote inside"},
		{"a control character", "URI=a\tb", 5, "a control character"},
		{"a NUL", "URI=a\x00", 5, "a control character"},
		{"a line break in quotes", "Subject=\"a\nb\"", 10, "a control character"},
		{"an escaped control character", "Subject=\"a\\\x7f\"", 11, "a control character"},
		{"a byte beyond ASCII", "URI=\xc3\xa9", 4, "a control character"},
		{"a mistake in an element that is not the last", `By="a,By=b`, 3, "a quote is not closed"},
		{"too many elements", strings.Repeat("a=,", xfcc.MaxElements) + "a=", 3 * xfcc.MaxElements, "more than 32 elements"},
		{"too long", "a=" + strings.Repeat("a", xfcc.MaxLength), xfcc.MaxLength, "longer than 60 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			elements, err := xfcc.Parse(tt.header)
			var at *xfcc.Error
			require.ErrorAs(t, err, &at)
			assert.Contains(t, at.Message, tt.message)
			assert.Equal(t, tt.offset, at.Offset, err)
			assert.Nil(t, elements)
		})
	}
}

func TestErrorSaysWhere(t *testing.T) {
	_, err := xfcc.Parse("By=a;;")
	assert.EqualError(t, err, "xfcc: byte 5: an element or a pair is empty")
}

func TestAsManyElementsAsAllowed(t *testing.T) {
	elements, err := xfcc.Parse(strings.TrimSuffix(strings.Repeat("By=a;URI=b,", xfcc.MaxElements), ","))
	require.NoError(t, err)
	require.Len(t, elements, xfcc.MaxElements)
	for _, e := range elements {
		assert.Equal(t, xfcc.Element{By: []string{"a"}, URIs: []string{"b"}}, e)
	}
}

// What forging looks like, so that who changes this sees that it cannot be told from what is genuine.
func TestNamesThatForgeCannotBeTold(t *testing.T) {
	for name, uri := range map[string]string{
		"a pair":     "spiffe://example.org/a;URI=spiffe://example.org/b",
		"an element": "spiffe://example.org/a,By=x;Hash=" + hash + ";URI=spiffe://example.org/b",
	} {
		elements, err := xfcc.Parse("By=x;Hash=" + hash + ";URI=" + uri)
		require.NoError(t, err, name)
		assert.True(t, len(elements) > 1 || len(elements[0].URIs) > 1, "%s: who demands one element with one URI is safe", name)
	}
}

// Whatever is read is read the same again when it is written as Envoy writes it.
func FuzzXFCC(f *testing.F) {
	for _, s := range []string{
		"By=a;By=b;Hash=" + hash + `;Cert="c";Chain="d";Subject="O=A\, \"B\" \\";URI=e;URI=f=g;DNS=h;DNS=i`,
		`By=a;URI=b,By=c;Hash=` + hash2 + `;Subject="";URI=`, `URI="a,b"`, `Subject="a`, "By=a;;", "x=y;URI=z", `Subject="\\"`, "uri=a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		elements, err := xfcc.Parse(header)
		if err != nil {
			var at *xfcc.Error
			require.ErrorAs(t, err, &at)
			require.LessOrEqual(t, at.Offset, len(header))
			require.Nil(t, elements)
			return
		}
		require.NotEmpty(t, elements)
		again, err := xfcc.Parse(write(elements))
		require.NoError(t, err)
		require.Equal(t, elements, again)
	})
}

// write writes elements as Envoy does, but that it quotes names as Envoy's documentation says.
func write(elements []xfcc.Element) string {
	var out []string
	for _, e := range elements {
		var pairs []string
		add := func(key, quote string, values ...string) {
			for _, v := range values {
				if quote == "" && strings.ContainsAny(v, ",;") {
					v = `"` + v + `"`
				}
				pairs = append(pairs, key+"="+quote+v+quote)
			}
		}
		add("By", "", e.By...)
		if e.Hash != "" {
			add("Hash", "", e.Hash)
		}
		if e.Cert != "" {
			add("Cert", `"`, e.Cert)
		}
		if e.Chain != "" {
			add("Chain", `"`, e.Chain)
		}
		add("Subject", `"`, e.Subject)
		add("URI", "", e.URIs...)
		add("DNS", "", e.DNS...)
		out = append(out, strings.Join(pairs, ";"))
	}
	return strings.Join(out, ",")
}

func BenchmarkParse(b *testing.B) { budget.Time(b, parseOne) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Parse": parseOne})
}

func parseOne(b *budget.Runner) {
	header := "By=spiffe://example.org/ns/shop/sa/database;Hash=" + hash +
		`;Subject="O=shop";URI=spiffe://example.org/ns/shop/sa/backend`
	b.Op("", func() {
		if _, err := xfcc.Parse(header); err != nil {
			b.Fatal(err)
		}
	})
}
