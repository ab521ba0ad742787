package peercert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/peercert"
)

const backend = "spiffe://example.org/ns/shop/sa/backend"

func many(n int) []string {
	uris := make([]string, n)
	for i := range uris {
		uris[i] = backend + strings.Repeat("x", i)
	}
	return uris
}

// others are names of all kinds that crypto/x509 writes.
func others(c *x509.Certificate) {
	c.DNSNames = []string{"a.example", "*.b.example"}
	c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1), net.IPv6loopback}
	c.EmailAddresses = []string{"alice@example.org"}
}

func TestURISANs(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	for _, tt := range []struct {
		name   string
		uris   []string
		change func(*x509.Certificate)
	}{
		{"one", many(1), nil},
		{"two", many(2), nil},
		{"thirty", many(30), nil},
		{"none, but other names", nil, others},
		{"one among other names", many(1), others},
		{"several among other names", many(3), others},
		{"no such extension", nil, nil},
		{"no extension at all", nil, func(c *x509.Certificate) { c.BasicConstraintsValid = false }},
		{"a critical extension, for want of a subject", many(1), func(c *x509.Certificate) { c.Subject = pkix.Name{} }},
		{"other extensions with URIs", many(1), func(c *x509.Certificate) {
			c.CRLDistributionPoints = []string{"http://crl.example/a"}
			c.OCSPServer = []string{"http://ocsp.example"}
			c.PermittedURIDomains = []string{"example.net"}
			issuerAltName := asn1.ObjectIdentifier{2, 5, 29, 18}
			c.ExtraExtensions = []pkix.Extension{{Id: issuerAltName, Value: []byte(sanURI)}}
		}},
		{"a URI that looks like two", []string{"spiffe://example.org/a,spiffe://example.org/b"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, key := range map[string]crypto.Signer{"RSA": rsaKey, "EC": ecKey, "Ed25519": edKey} {
				certificate := issue(t, key, tt.uris, tt.change)
				got, err := peercert.URISANs(encode(certificate))
				require.NoError(t, err, kind)
				assert.Equal(t, tt.uris, got, kind)

				parsed, err := x509.ParseCertificate(certificate)
				require.NoError(t, err)
				assert.Equal(t, len(parsed.URIs), len(got))
				for i, u := range parsed.URIs {
					assert.Equal(t, u.String(), got[i])
				}
			}
		})
	}
}

func issue(t testing.TB, key crypto.Signer, uris []string, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1 << 60),
		Subject:               pkix.Name{CommonName: "backend", Organization: []string{"Shop"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
	}
	for _, u := range uris {
		parsed, err := url.Parse(u)
		require.NoError(t, err)
		template.URIs = append(template.URIs, parsed)
	}
	if change != nil {
		change(template)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return certificate
}

func encode(certificate []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

// tlv writes an element of DER.
func tlv(tag byte, contents ...string) string {
	content := strings.Join(contents, "")
	switch n := len(content); {
	case n < 0x80:
		return string([]byte{tag, byte(n)}) + content
	case n < 0x100:
		return string([]byte{tag, 0x81, byte(n)}) + content
	default:
		return string([]byte{tag, 0x82, byte(n >> 8), byte(n)}) + content
	}
}

const (
	version  = "\xa0\x03\x02\x01\x02"
	san      = "\x06\x03\x55\x1d\x11"
	sanURI   = "\x30\x05\x86\x03a:b"
	issuerOf = "\x06\x03\x55\x1d\x12"
)

var (
	// head is what precedes the extensions, after the version.
	head         = tlv(0x02, "\x01") + strings.Repeat(tlv(0x30), 5)
	sanExtension = tlv(0x30, san, tlv(0x04, sanURI))
)

func certificate(tbs ...string) string {
	return tlv(0x30, tlv(0x30, tbs...), tlv(0x30), tlv(0x03, "\x00"))
}

func withExtensions(extensions ...string) string {
	return certificate(version, head, tlv(0xa3, tlv(0x30, extensions...)))
}

func withSAN(value string) string { return withExtensions(tlv(0x30, san, tlv(0x04, value))) }

func withNames(names ...string) string { return withSAN(tlv(0x30, names...)) }

func TestByHand(t *testing.T) {
	for _, tt := range []struct {
		name, der string
		want      []string
	}{
		{"the least", withSAN(sanURI), []string{"a:b"}},
		{
			"unique IDs",
			certificate(version, head, tlv(0x81, "\x00"), tlv(0x82, "\x00"), tlv(0xa3, tlv(0x30, sanExtension))),
			[]string{"a:b"},
		},
		{"no extensions", certificate(version, head), nil},
		{"critical", withExtensions(tlv(0x30, san, "\x01\x01\xff", tlv(0x04, sanURI))), []string{"a:b"}},
		{"not critical, in so many words", withExtensions(tlv(0x30, san, "\x01\x01\x00", tlv(0x04, sanURI))), []string{"a:b"}},
		{
			"every kind of name",
			withNames(tlv(0xa0, "x"), tlv(0x81, "x"), tlv(0x82, "x"), tlv(0xa3, "x"), tlv(0xa4, "x"), tlv(0xa5, "x"),
				tlv(0x86, "a:b"), tlv(0x87, "x"), tlv(0x88, "x"), tlv(0x86, "c:d")),
			[]string{"a:b", "c:d"},
		},
		{
			"an extension between others",
			withExtensions(tlv(0x30, issuerOf, tlv(0x04, "x")), sanExtension, tlv(0x30, issuerOf, tlv(0x04))),
			[]string{"a:b"},
		},
		{"a URI within another name is none", withNames(tlv(0xa4, tlv(0x86, "a:b"))), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := peercert.URISANs(encode([]byte(tt.der)))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestURISANsRefuses(t *testing.T) {
	good := withSAN(sanURI)
	extensions := tlv(0xa3, tlv(0x30, sanExtension))
	for _, tt := range []struct {
		name, der string
		want      error
	}{
		{"a byte", "\x30", peercert.ErrDER},
		{"something after it", good + "\x00", peercert.ErrDER},
		{"cut off", good[:len(good)-1], peercert.ErrDER},
		{"something after the signature", tlv(0x30, tlv(0x30, version, head), tlv(0x30), tlv(0x03, "\x00"), tlv(0x05)), peercert.ErrDER},
		{"no signature", tlv(0x30, tlv(0x30, version, head), tlv(0x30)), peercert.ErrDER},
		{"another tag", "\x31" + good[1:], peercert.ErrDER},
		{"version 1", certificate(head), peercert.ErrDER},
		{"version 2", certificate("\xa0\x03\x02\x01\x01", head), peercert.ErrDER},
		{"version 4", certificate("\xa0\x03\x02\x01\x03", head), peercert.ErrDER},
		{"a part is missing", certificate(version, tlv(0x02, "\x01"), strings.Repeat(tlv(0x30), 4)), peercert.ErrDER},
		{"a part too many", certificate(version, head, tlv(0x30)), peercert.ErrDER},
		{"something after the extensions", certificate(version, head, extensions, extensions), peercert.ErrDER},
		{
			"something in the wrapping of the extensions",
			certificate(version, head, tlv(0xa3, tlv(0x30, sanExtension), tlv(0x30, sanExtension))),
			peercert.ErrDER,
		},
		{"unique IDs in disorder", certificate(version, head, tlv(0x82, "\x00"), tlv(0x81, "\x00")), peercert.ErrDER},
		{"empty extensions", withExtensions(), peercert.ErrDER},
		{"an empty extension", withExtensions(tlv(0x30)), peercert.ErrDER},
		{"an extension without OID", withExtensions(tlv(0x30, tlv(0x04, sanURI))), peercert.ErrDER},
		{"an extension with an empty OID", withExtensions(tlv(0x30, tlv(0x06), tlv(0x04, sanURI))), peercert.ErrDER},
		{"an extension without value", withExtensions(tlv(0x30, san)), peercert.ErrDER},
		{"an extension that is not one", withExtensions(sanExtension, tlv(0x04)), peercert.ErrDER},
		{"a second value", withExtensions(tlv(0x30, san, tlv(0x04, sanURI), tlv(0x04, sanURI))), peercert.ErrDER},
		{"an odd boolean", withExtensions(tlv(0x30, san, "\x01\x01\x01", tlv(0x04, sanURI))), peercert.ErrDER},
		{"a long boolean", withExtensions(tlv(0x30, san, "\x01\x02\x00\xff", tlv(0x04, sanURI))), peercert.ErrDER},
		{"two of them", withExtensions(sanExtension, sanExtension), peercert.ErrRepeated},
		{"two of them, one empty", withExtensions(sanExtension, tlv(0x30, san, tlv(0x04))), peercert.ErrRepeated},
		{"an empty value", withSAN(""), peercert.ErrNames},
		{"no names", withNames(), peercert.ErrNames},
		{"something after the names", withSAN(sanURI + sanURI), peercert.ErrNames},
		{"names that are no sequence", withSAN("\x31\x05\x86\x03a:b"), peercert.ErrNames},
		{"a name cut off", withNames(tlv(0x86, "a:b"), "\x86\x03a:"), peercert.ErrNames},
		{"a name of no known kind", withNames(tlv(0x86, "a:b"), tlv(0x89, "x")), peercert.ErrNames},
		{"a name with a universal tag", withNames(tlv(0x16, "a:b")), peercert.ErrNames},
		{"a constructed URI", withNames(tlv(0xa6, tlv(0x86, "a:b"))), peercert.ErrNames},
		{"an empty URI", withNames(tlv(0x86)), peercert.ErrCharacter},
		{"a NUL in a URI", withNames(tlv(0x86, "spiffe://example.org/a\x00b")), peercert.ErrCharacter},
		{"a space in a URI", withNames(tlv(0x86, "a: b")), peercert.ErrCharacter},
		{"a line break in a URI", withNames(tlv(0x86, "a:b"), tlv(0x86, "a:b\n")), peercert.ErrCharacter},
		{"a URI beyond ASCII", withNames(tlv(0x86, "a:é")), peercert.ErrCharacter},
		{"indefinite length", withSAN("\x30\x80\x86\x03a:b\x00\x00"), peercert.ErrNames},
		{"a length with an octet too many", withSAN("\x30\x81\x05\x86\x03a:b"), peercert.ErrNames},
		{"a length with a leading zero", withSAN("\x30\x82\x00\x05\x86\x03a:b"), peercert.ErrNames},
		{"a length of four octets", withSAN("\x30\x84\x01\x00\x00\x05\x86\x03a:b"), peercert.ErrNames},
		{"a length without its octets", withSAN("\x30\x82\x01"), peercert.ErrNames},
		{"a tag of several bytes", withNames("\x9f\x06\x03a:b"), peercert.ErrNames},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uris, err := peercert.URISANs(encode([]byte(tt.der)))
			assert.ErrorIs(t, err, tt.want)
			assert.Nil(t, uris)
		})
	}
}

func TestURISANsRefusesOtherThanOnePEMBlock(t *testing.T) {
	good := encode([]byte(withSAN(sanURI)))
	_, err := peercert.URISANs(good)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"nothing":                 "",
		"percent-encoded":         url.PathEscape(good),
		"two blocks":              good + good,
		"something before":        "\n" + good,
		"something after":         good + "\n",
		"no line break at end":    strings.TrimSuffix(good, "\n"),
		"another kind":            strings.ReplaceAll(good, "CERTIFICATE", "TRUSTED CERTIFICATE"),
		"headers":                 strings.Replace(good, "-----\n", "-----\nA: b\n\n", 1),
		"no content":              "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"not base64":              strings.Replace(good, "\n", "\n!", 1),
		"padding that is missing": strings.Replace(good, "=\n-", "\n-", 1),
		"DER":                     withSAN(sanURI),
	} {
		if name == "padding that is missing" {
			require.NotEqual(t, good, text)
		}
		uris, err := peercert.URISANs(text)
		assert.ErrorIs(t, err, peercert.ErrPEM, name)
		assert.Nil(t, uris, name)
	}
	_, err = peercert.URISANs(encode(make([]byte, peercert.MaxLength)))
	assert.ErrorIs(t, err, peercert.ErrLength)
}

// What crypto/x509 reads and we read has the same URIs.
func FuzzURISANs(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	for _, n := range []int{0, 1, 2, 30} {
		f.Add(issue(f, key, many(n), nil))
		f.Add(issue(f, key, many(n), others))
	}
	f.Add([]byte(withSAN(sanURI)))
	f.Fuzz(compare)
}

// FuzzNames gives the extension any content, in a certificate that is otherwise sound.
func FuzzNames(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	var plain struct{ Signed, Algorithm, Signature asn1.RawValue }
	_, err = asn1.Unmarshal(issue(f, key, nil, func(c *x509.Certificate) { c.BasicConstraintsValid = false }), &plain)
	require.NoError(f, err)
	for _, s := range []string{
		sanURI, tlv(0x30, tlv(0x82, "a"), tlv(0x86, backend), tlv(0x87, "1234"), tlv(0x86, "c:d")), tlv(0x30),
		tlv(0x30, tlv(0xa0, tlv(0x06, "\x01"), tlv(0xa0))), tlv(0x30, tlv(0xa6, "a:b")), tlv(0x30, tlv(0x86, "a\x00b")),
		"\x30\x80\x86\x03a:b\x00\x00", "\x30\x81\x05\x86\x03a:b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		extensions := tlv(0xa3, tlv(0x30, tlv(0x30, san, tlv(0x04, string(value)))))
		signed := tlv(0x30, string(plain.Signed.Bytes), extensions)
		compare(t, []byte(tlv(0x30, signed, string(plain.Algorithm.FullBytes), string(plain.Signature.FullBytes))))
	})
}

func compare(t *testing.T, der []byte) {
	got, err := peercert.URISANs(encode(der))
	if err != nil {
		require.Nil(t, got)
		return
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return // it looks at more than names
	}
	require.Equal(t, len(parsed.URIs), len(got))
	for i, u := range parsed.URIs {
		mine, err := url.Parse(got[i])
		require.NoError(t, err)
		require.Equal(t, u.String(), mine.String())
	}
	require.Equal(t, rawURIs(t, parsed), got)
}

// rawURIs are the URIs as encoding/asn1 finds them, without what net/url makes of them.
func rawURIs(t *testing.T, certificate *x509.Certificate) []string {
	t.Helper()
	i := slices.IndexFunc(certificate.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.17" })
	if i < 0 {
		return nil
	}
	var names []asn1.RawValue
	rest, err := asn1.Unmarshal(certificate.Extensions[i].Value, &names)
	require.NoError(t, err)
	require.Empty(t, rest)
	var uris []string
	for _, name := range names {
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 {
			uris = append(uris, string(name.Bytes))
		}
	}
	return uris
}

func BenchmarkURISANs(b *testing.B) { budget.Time(b, readURISANs) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"URISANs": readURISANs})
}

func readURISANs(b *budget.Runner) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	text := encode(issue(b, key, []string{backend}, others))
	b.Op("", func() {
		if _, err := peercert.URISANs(text); err != nil {
			b.Fatal(err)
		}
	})
}
