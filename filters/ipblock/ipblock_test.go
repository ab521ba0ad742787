package ipblock_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/ipblock"
)

func parse(t testing.TB, text string) ipblock.Block {
	t.Helper()
	b, err := ipblock.Parse(text)
	require.NoError(t, err, text)
	return b
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name, block string
		in, out     []string
	}{
		{"IPv4", "10.0.0.0/8", []string{"10.0.0.0", "10.255.255.255"}, []string{"9.255.255.255", "11.0.0.0", "::10.0.0.1", "a00::"}},
		{"IPv4 with bits beyond the prefix", "10.1.2.3/8", []string{"10.0.0.0", "10.255.255.255"}, []string{"11.1.2.3"}},
		{"IPv4, an odd prefix", "192.168.4.0/22", []string{"192.168.4.0", "192.168.7.255"}, []string{"192.168.3.255", "192.168.8.0"}},
		{"IPv4 address", "10.1.2.3", []string{"10.1.2.3"}, []string{"10.1.2.2", "10.1.2.4"}},
		{"all of IPv4", "0.0.0.0/0", []string{"0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"}, []string{"::", "::1", "::ffff:0:1.2.3.4"}},
		{"all of IPv6", "::/0", []string{"::", "ffff::", "::ffff:0:1.2.3.4", "::1.2.3.4"}, []string{"10.0.0.1", "::ffff:10.0.0.1"}},
		{"IPv6", "2001:db8::/32", []string{"2001:db8::", "2001:db8:ffff::ffff"}, []string{"2001:db7::", "2001:db9::"}},
		{"IPv6 with bits beyond the prefix", "2001:db8::1/32", []string{"2001:db8:1::"}, []string{"2001:db9::1"}},
		{"IPv6 address", "2001:DB8::1", []string{"2001:db8::1", "2001:db8:0:0::0:1"}, []string{"2001:db8::2", "2001:db8::"}},
		{"IPv4 as IPv6", "10.0.0.0/8", []string{"::ffff:10.0.0.1", "::FFFF:a00:1"}, []string{"::ffff:11.0.0.1"}},
		{"block of IPv4 as IPv6", "::ffff:10.0.0.0/104", []string{"10.0.0.1", "::ffff:10.0.0.1"}, []string{"11.0.0.1", "::ffff:11.0.0.1"}},
		{"all of IPv4 as IPv6", "::ffff:0:0/96", []string{"10.0.0.1", "::ffff:10.0.0.1"}, []string{"::", "::1"}},
		{"address of IPv4 as IPv6", "::ffff:10.0.0.1", []string{"10.0.0.1", "::ffff:a00:1"}, []string{"10.0.0.2", "::10.0.0.1"}},
		{"zone of an address", "fe80::/10", []string{"fe80::1%eth0", "fe80::1%2"}, []string{"fec0::1%eth0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := parse(t, tt.block)
			for _, a := range tt.in {
				assert.True(t, b.Match(address(t, a)), a)
			}
			for _, a := range tt.out {
				assert.False(t, b.Match(address(t, a)), a)
			}
			assert.False(t, b.Match(ipblock.Address{}), "no address")
		})
	}
	for _, a := range []string{"0.0.0.0", "::", "::ffff:0:0"} {
		assert.False(t, ipblock.Block{}.Match(address(t, a)), a)
	}
	assert.False(t, ipblock.Block{}.Match(ipblock.Address{}))
}

func address(t *testing.T, text string) ipblock.Address {
	t.Helper()
	a, ok := ipblock.ParseAddress(text)
	require.True(t, ok, text)
	return a
}

func TestBlocksThatAreTheSame(t *testing.T) {
	assert.Equal(t, parse(t, "10.0.0.0/8"), parse(t, "10.255.0.1/8"))
	assert.Equal(t, parse(t, "10.0.0.0/8"), parse(t, "::ffff:10.0.0.1/104"))
	assert.Equal(t, parse(t, "10.0.0.1"), parse(t, "::ffff:a00:1/128"))
	assert.Equal(t, parse(t, "2001:db8::"), parse(t, "2001:0DB8:0::0/128"))
	assert.NotEqual(t, parse(t, "0.0.0.0/0"), parse(t, "::/0"))
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"":                     ipblock.ErrSyntax,
		"/8":                   ipblock.ErrSyntax,
		"10.0.0.0/":            ipblock.ErrSyntax,
		"10.0.0.0/33":          ipblock.ErrSyntax,
		"10.0.0.0/-1":          ipblock.ErrSyntax,
		"10.0.0.0/+8":          ipblock.ErrSyntax,
		"10.0.0.0/08":          ipblock.ErrSyntax,
		"10.0.0.0/8/8":         ipblock.ErrSyntax,
		"10.0.0.0/255.0.0.0":   ipblock.ErrSyntax,
		" 10.0.0.0/8":          ipblock.ErrSyntax,
		"10.0.0.0/8 ":          ipblock.ErrSyntax,
		"10.0.0.0 /8":          ipblock.ErrSyntax,
		"10.0.0/8":             ipblock.ErrSyntax,
		"10":                   ipblock.ErrSyntax,
		"10.0.0.256":           ipblock.ErrSyntax,
		"010.0.0.1":            ipblock.ErrSyntax, // 8 to who reads octal
		"10.0.0.01/32":         ipblock.ErrSyntax,
		"0x0a.0.0.1":           ipblock.ErrSyntax,
		"10.0.0.1:80":          ipblock.ErrSyntax,
		"10.0.0.*":             ipblock.ErrSyntax,
		"*":                    ipblock.ErrSyntax,
		"localhost":            ipblock.ErrSyntax,
		"[::1]":                ipblock.ErrSyntax,
		"[::1]/128":            ipblock.ErrSyntax,
		"::/129":               ipblock.ErrSyntax,
		":::/0":                ipblock.ErrSyntax,
		"1::2::3":              ipblock.ErrSyntax,
		"12345::":              ipblock.ErrSyntax,
		"::ffff:10.0.0.1/129":  ipblock.ErrSyntax,
		"::ffff:010.0.0.1":     ipblock.ErrSyntax,
		"fe80::1%eth0":         ipblock.ErrZone,
		"fe80::%eth0/10":       ipblock.ErrZone,
		"::ffff:10.0.0.0%1/96": ipblock.ErrZone,
		"::ffff:0:0/95":        ipblock.ErrMapped,
		"::ffff:10.0.0.0/8":    ipblock.ErrMapped, // an IPv4 prefix length
	} {
		b, err := ipblock.Parse(text)
		assert.ErrorIs(t, err, want, text)
		assert.Equal(t, ipblock.Block{}, b, text)
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4:80":            "1.2.3.4",
		"1.2.3.4:0":             "1.2.3.4",
		"1.2.3.4:65535":         "1.2.3.4",
		"1.2.3.4":               "1.2.3.4",
		"[::1]:80":              "::1",
		"[::1]":                 "::1",
		"::1":                   "::1",
		"::1:80":                "::1:80", // an address of its own
		"[2001:DB8::1]:443":     "2001:db8::1",
		"[::ffff:1.2.3.4]:80":   "1.2.3.4",
		"::ffff:102:304":        "1.2.3.4",
		"[fe80::1%eth0]:80":     "fe80::1",
		"":                      "",
		":80":                   "",
		"1.2.3.4:":              "",
		"1.2.3.4:x":             "",
		"1.2.3.4:+1":            "",
		"1.2.3.4:65536":         "",
		"1.2.3.4:9999999999999": "",
		"01.2.3.4:80":           "",
		"1.2.3:80":              "",
		"1.2.3.4 :80":           "",
		"[1.2.3.4]:80":          "",
		"[1.2.3.4]":             "",
		"[::1":                  "",
		"[::1]80":               "",
		"[::1]:":                "",
		"[::1]:x":               "",
		"[::1]:1:2":             "",
		"[[::1]]:80":            "",
		"::1]:80":               "",
		"[fe80::1%]:80":         "",
		"fe80::1%]":             "",
		"1.2.3.4%eth0":          "",
		"/var/run/envoy.sock":   "",
		"envoy://internal/1":    "",
		"@abstract":             "",
		"localhost:80":          "",
	} {
		got, ok := ipblock.ParseAddress(text)
		assert.Equal(t, want != "", ok, text)
		if want == "" {
			assert.Equal(t, ipblock.Address{}, got, text)
		} else {
			assert.Equal(t, address(t, want), got, text)
		}
	}
}

func BenchmarkMatch(b *testing.B) { budget.Time(b, matchOne) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Match": matchOne})
}

func matchOne(b *budget.Runner) {
	block := parse(b, "2001:db8::/32")
	b.Op("", func() {
		a, ok := ipblock.ParseAddress("[2001:db8::1]:443")
		if !ok || !block.Match(a) {
			b.Fatal("no match")
		}
	})
}

// Package net/netip takes the same texts for blocks and addresses, and agrees on what is in what.
func FuzzBlock(f *testing.F) {
	for _, s := range [][2]string{
		{"10.0.0.0/8", "10.0.0.1:80"}, {"::/0", "[::1]:80"}, {"::ffff:10.0.0.0/104", "::ffff:10.0.0.1"}, {"10.0.0.1", "10.0.0.1"},
		{"2001:db8::1", "2001:db8::1"}, {"fe80::/10", "[fe80::1%eth0]:1"}, {"010.0.0.1", "1.2.3.4:x"}, {"::ffff:0:0/95", "[1.2.3.4]"},
		{"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8"}, {"1:2:3:4:5:6:7:8/65", "1::8:1.2.3.4"}, {"1::2::3/1", ":1::"},
		{"::1.2.3/4", "1:2:3:4:5:6:7:1.2.3.4"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, block, address string) {
		a, isAddress := ipblock.ParseAddress(address)
		reference, isReference := referenceAddress(address)
		require.Equal(t, isReference, isAddress, "%s", address)

		b, err := ipblock.Parse(block)
		prefix, isBlock := referenceBlock(block)
		require.Equal(t, isBlock, err == nil, "%s", block)
		require.Equal(t, isBlock && isAddress && prefix.Contains(reference), b.Match(a), "%s in %s", address, block)

		if isAddress {
			single, err := ipblock.Parse(reference.String())
			require.NoError(t, err)
			require.True(t, single.Match(a))
		}
	})
}

func referenceAddress(text string) (netip.Addr, bool) {
	inner, opens := strings.CutPrefix(text, "[")
	inner, closes := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	if err != nil || opens != closes || opens && !strings.Contains(inner, ":") {
		withPort, err := netip.ParseAddrPort(text)
		if port := text[strings.LastIndexByte(text, ':')+1:]; err != nil || len(port) > 1 && port[0] == '0' {
			return netip.Addr{}, false
		}
		a = withPort.Addr()
	}
	return a.WithZone("").Unmap(), !strings.ContainsAny(a.Zone(), "[]%")
}

func referenceBlock(text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if !strings.Contains(text, "/") {
		var a netip.Addr
		a, err = netip.ParseAddr(text)
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	if err != nil || strings.Contains(text, "%") {
		return netip.Prefix{}, false
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), true
}

func TestMasked(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3": "10.1.2.0", "::ffff:10.1.2.3": "10.1.2.0", "2001:db8:1:2:3::4": "2001:db8:1:2::",
	} {
		a, ok := ipblock.ParseAddress(text)
		require.True(t, ok)
		first, ok := ipblock.ParseAddress(want)
		require.True(t, ok)
		assert.Equal(t, first, a.Masked(24, 64), text)
		assert.Equal(t, first.AppendBytes(nil), a.Masked(24, 64).AppendBytes(nil), text)
		assert.NotEqual(t, a.AppendBytes(nil), first.AppendBytes(nil), text)
		assert.Equal(t, want == "10.1.2.0", a.Is4(), text)
		whole := a.Masked(32, 128)
		assert.Equal(t, a, whole, text)
	}
}
