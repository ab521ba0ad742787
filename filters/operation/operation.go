// Package operation is what all filters match a request's target by: hosts, ports, methods and paths,
// each with its negation, as in Istio's AuthorizationPolicy.
package operation

import (
	"errors"
	"slices"
	"strconv"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Fields are the names of an operation's fields in a configuration.
var Fields = []string{"hosts", "notHosts", "ports", "notPorts", "methods", "notMethods", "paths", "notPaths"}

// Operation matches if every field that is set does. Within a field one value is enough; of a not field
// none may match. The zero Operation matches every request.
type Operation struct {
	hosts, notHosts     []match.Host
	ports, notPorts     []string
	methods, notMethods []match.String
	paths, notPaths     []match.Path
}

// Decode reads an operation from an object whose known fields include Fields.
func Decode(o config.Object) Operation {
	return Operation{
		hosts:      config.Compile(o.Get("hosts"), match.ParseHost),
		notHosts:   config.Compile(o.Get("notHosts"), match.ParseHost),
		ports:      decodePorts(o.Get("ports")),
		notPorts:   decodePorts(o.Get("notPorts")),
		methods:    config.Compile(o.Get("methods"), match.ParseString),
		notMethods: config.Compile(o.Get("notMethods"), match.ParseString),
		paths:      config.Compile(o.Get("paths"), parsePath),
		notPaths:   config.Compile(o.Get("notPaths"), parsePath),
	}
}

// DecodeNormalization reads `pathNormalization`.
func DecodeNormalization(n config.Node) match.Normalization {
	names := match.Normalizations[:]
	level, _ := match.ParseNormalization(n.OneOf(names[match.DecodeAndMergeSlash], names...))
	return level
}

// Failure is the first field of an operation that a request does not meet.
type Failure struct {
	Field string // "paths"
	Found string // the request's value
}

// ErrPort is a host that does not say on which port a request arrived.
var ErrPort = errors.New("operation: the destination port is unknown")

// Match tells whether a request meets the operation, else which field it fails. path is in normal form.
// An error means that it cannot be told.
func (o *Operation) Match(r *request.Request, path string) (Failure, bool, error) {
	switch {
	case o.methods != nil && !match.Any(o.methods, r.Method()):
		return Failure{"methods", r.Method()}, false, nil
	case match.Any(o.notMethods, r.Method()):
		return Failure{"notMethods", r.Method()}, false, nil
	case o.paths != nil && !match.Any(o.paths, path):
		return Failure{"paths", path}, false, nil
	case match.Any(o.notPaths, path):
		return Failure{"notPaths", path}, false, nil
	case o.hosts != nil && !match.Any(o.hosts, r.Host()):
		return Failure{"hosts", r.Host()}, false, nil
	case match.Any(o.notHosts, r.Host()):
		return Failure{"notHosts", r.Host()}, false, nil
	}
	if o.ports == nil && o.notPorts == nil {
		return Failure{}, true, nil
	}
	port, err := destinationPort(r)
	if err != nil {
		return Failure{}, false, err
	}
	if o.ports != nil && !slices.Contains(o.ports, port) {
		return Failure{"ports", port}, false, nil
	}
	if slices.Contains(o.notPorts, port) {
		return Failure{"notPorts", port}, false, nil
	}
	return Failure{}, true, nil
}

func destinationPort(r *request.Request) (string, error) {
	v, found, err := r.Property(request.PropertyDestinationPort)
	if err != nil {
		return "", err
	}
	if !found || len(v) != 8 {
		return "", ErrPort
	}
	// Envoy gives an integer as eight bytes, least significant first.
	var port uint64
	for i := 7; i >= 0; i-- {
		port = port<<8 | uint64(v[i])
	}
	return strconv.FormatUint(port, 10), nil
}

func decodePorts(n config.Node) []string {
	var ports []string
	for _, e := range n.NonEmptyList() {
		// Istio writes ports as strings; numbers are what everybody else writes.
		if s := e.Raw(); len(s) > 0 && s[0] != '"' {
			ports = append(ports, strconv.FormatInt(e.Int(0, 1, 65535), 10))
			continue
		}
		s := e.String("")
		if p, err := strconv.ParseUint(s, 10, 16); s != "" && (err != nil || p == 0 || s[0] == '0') {
			e.Mistake("found \"" + s + "\", expected a port from 1 to 65535")
		}
		ports = append(ports, s)
	}
	return ports
}

func parsePath(pattern string) (match.Path, error) {
	if pattern[0] != '/' && pattern[0] != '*' {
		return match.Path{}, errors.New("a path pattern starts with '/' or '*'")
	}
	return match.ParsePath(pattern)
}
