package plugin

import (
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

var requestProtocol = []string{"request", "protocol"}

// describe says whose request it is, and what rules may look at beside its headers, for as long as it takes: nothing in it is
// the host's. What the host does not say is left empty.
func (p *plugin) describe(r *request.Request) (decision.Record, waf.Connection) {
	c := p.firewall.Config()
	workload, _ := c.Identity.Workload(r) // for the record, whatever comes of it
	claims := p.claims.Read(r)
	record := decision.Record{
		Principal: strings.Clone(workload.Name()), RequestPrincipal: strings.Clone(claims.Principal()),
		Method: strings.Clone(r.Method()), Host: strings.Clone(r.Host()), Path: strings.Clone(r.RawPath()), RequestID: strings.Clone(r.ID()),
	}
	var conn waf.Connection
	conn.ClientIP, conn.ClientPort = address(r, request.PropertySourceAddress)
	record.RemoteIP = conn.ClientIP
	if c.TrustedHops > 0 {
		remote := clientip.Remote(r, c.TrustedHops)
		record.RemoteIP = strings.Clone(remote.Text)
		if remote.Err == nil {
			conn.ClientIP, conn.ClientPort = record.RemoteIP, 0
		}
	}
	conn.ServerIP, conn.ServerPort = address(r, request.PropertyDestinationAddress)
	if protocol, found, err := r.Property(requestProtocol); err == nil && found {
		conn.Protocol = strings.Clone(protocol)
	}
	return record, conn
}

func address(r *request.Request, property []string) (ip string, port int) {
	text, found, err := r.Property(property)
	if err != nil || !found {
		return "", 0
	}
	ip = strings.Clone(request.WithoutPort(text))
	if i := strings.LastIndexByte(text, ':'); i >= 0 && len(ip) < len(text) {
		port, _ = strconv.Atoi(text[i+1:])
	}
	return ip, port
}

// clone copies headers into memory of their own: rules look at them until the stream ends.
func clone(headers [][2]string) [][2]string {
	size := 0
	for i := range headers {
		size += len(headers[i][0]) + len(headers[i][1])
	}
	var b strings.Builder
	b.Grow(size)
	for i := range headers {
		b.WriteString(headers[i][0])
		b.WriteString(headers[i][1])
	}
	text := b.String()
	list := make([][2]string, len(headers))
	for i := range headers {
		for j := range headers[i] {
			n := len(headers[i][j])
			list[i][j], text = text[:n], text[n:]
		}
	}
	return list
}
