package authz

import (
	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/ipblock"
	"github.com/palisade-mesh/palisade/filters/request"
)

// whichAddress is one of the addresses that rules go by.
type whichAddress uint8

const (
	addressSource      whichAddress = iota // who is connected, as Envoy sees it
	addressRemote                          // who is at the other end of the trusted proxies
	addressDestination                     // where the connection was accepted
	addresses
)

// address is one of the request's addresses, found out when it is first asked for.
type address struct {
	known bool
	clientip.Address
}

// isAddress tells whether an address of the request is in one of some blocks.
func (s *subject) isAddress(blocks []ipblock.Block, which whichAddress) (text string, is bool, err error) {
	a := s.address(which)
	if a.Err != nil {
		return a.Text, false, a.Err
	}
	for i := range blocks {
		if blocks[i].Match(a.IP) {
			return a.Text, true, nil
		}
	}
	return a.Text, false, nil
}

// remoteIP is the remote address for records: if it cannot be told, who is connected.
func (s *subject) remoteIP() string {
	if s.policy.config.TrustedHops == 0 {
		return s.request.RemoteIP() // whether or not it is one
	}
	if a := s.address(addressRemote); a.Err == nil {
		return a.Text
	}
	return s.address(addressSource).Text
}

func (s *subject) address(which whichAddress) *address {
	a := &s.addresses[which]
	if a.known {
		return a
	}
	a.known = true
	switch hops := s.policy.config.TrustedHops; {
	case which == addressSource:
		a.Address = clientip.Read(s.request, request.PropertySourceAddress)
	case which == addressDestination:
		a.Address = clientip.Read(s.request, request.PropertyDestinationAddress)
	case hops == 0:
		*a = *s.address(addressSource)
	default:
		a.Address = clientip.Remote(s.request, hops)
	}
	return a
}
