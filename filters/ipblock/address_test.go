package ipblock_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/ipblock"
)

// The library reads what String writes, and what it has written is read again.
func TestAddressString(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	check := func(want netip.Addr) {
		a, ok := ipblock.ParseAddress(want.String())
		require.True(t, ok, want)
		got, err := netip.ParseAddr(a.String())
		require.NoError(t, err)
		require.Equal(t, want.Unmap(), got)
		again, ok := ipblock.ParseAddress(a.String())
		require.True(t, ok)
		require.Equal(t, a, again)
	}
	for range 2000 {
		var b [16]byte
		for i := range b {
			if random.IntN(3) > 0 {
				b[i] = byte(random.Uint32())
			}
		}
		check(netip.AddrFrom16(b))
		check(netip.AddrFrom4([4]byte(b[:4])))
		check(netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:4])).As16()))
	}
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "0.0.0.0": "0.0.0.0", "255.255.255.255": "255.255.255.255", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8::1": "2001:db8:0:0:0:0:0:1", "::": "0:0:0:0:0:0:0:0", "[2001:DB8::A%eth0]:80": "2001:db8:0:0:0:0:0:a",
	} {
		a, ok := ipblock.ParseAddress(text)
		require.True(t, ok, text)
		assert.Equal(t, want, a.String())
	}
}

// A block's first address is the library's, so that all its addresses have one bucket.
func TestMaskedString(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var b [16]byte
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		bits4, bits6 := 1+random.IntN(32), 1+random.IntN(128)
		for addr, bits := range map[netip.Addr]int{netip.AddrFrom16(b): bits6, netip.AddrFrom4([4]byte(b[:4])): bits4} {
			a, ok := ipblock.ParseAddress(addr.String())
			require.True(t, ok)
			got, err := netip.ParseAddr(a.Masked(bits4, bits6).String())
			require.NoError(t, err)
			require.Equal(t, netip.PrefixFrom(addr, bits).Masked().Addr(), got)
		}
	}
}
