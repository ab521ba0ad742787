// Package operation is what all filters match a request's target by: hosts, ports, methods and paths,
// each with its negation, as in Istio's AuthorizationPolicy.
package operation

import (
	"errors"
	"slices"
	"strconv"
	"strings"

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

// Decode reads the operation from an object whose known fields include Fields. The paths of requests will be in the
// normal form of level.
func (o *Operation) Decode(from *config.Object, level match.Normalization) {
	parsePath := func(pattern string) (match.Path, error) { return parsePath(pattern, level) }
	o.hosts = config.Compile(from.Get("hosts"), match.ParseHost)
	o.notHosts = config.Compile(from.Get("notHosts"), match.ParseHost)
	o.ports = decodePorts(from.Get("ports"))
	o.notPorts = decodePorts(from.Get("notPorts"))
	o.methods = config.Compile(from.Get("methods"), match.ParseString)
	o.notMethods = config.Compile(from.Get("notMethods"), match.ParseString)
	o.paths = config.Compile(from.Get("paths"), parsePath)
	o.notPaths = config.Compile(from.Get("notPaths"), parsePath)
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
	Near  bool   // path and host were right
}

// ErrPort is a host that does not say on which port a request arrived.
var ErrPort = errors.New("operation: the destination port is unknown")

// Match tells whether a request meets the operation, else which field it fails: first of paths, hosts, methods,
// ports. path is in normal form. An error means that it cannot be told.
func (o *Operation) Match(r *request.Request, path string) (Failure, bool, error) {
	switch {
	case o.paths != nil && !match.Any(o.paths, path):
		return Failure{Field: "paths", Found: path}, false, nil
	case match.Any(o.notPaths, path):
		return Failure{Field: "notPaths", Found: path}, false, nil
	case o.hosts != nil && !match.Any(o.hosts, r.Host()):
		return Failure{Field: "hosts", Found: r.Host()}, false, nil
	case match.Any(o.notHosts, r.Host()):
		return Failure{Field: "notHosts", Found: r.Host()}, false, nil
	case o.methods != nil && !match.Any(o.methods, r.Method()):
		return Failure{Field: "methods", Found: r.Method(), Near: true}, false, nil
	case match.Any(o.notMethods, r.Method()):
		return Failure{Field: "notMethods", Found: r.Method(), Near: true}, false, nil
	}
	if o.ports == nil && o.notPorts == nil {
		return Failure{}, true, nil
	}
	port, err := DestinationPort(r)
	if err != nil {
		return Failure{Near: true}, false, err
	}
	if o.ports != nil && !slices.Contains(o.ports, port) {
		return Failure{Field: "ports", Found: port, Near: true}, false, nil
	}
	if slices.Contains(o.notPorts, port) {
		return Failure{Field: "notPorts", Found: port, Near: true}, false, nil
	}
	return Failure{}, true, nil
}

// Paths and Hosts are the patterns of which a request must meet one, for an index; nil if any will do.
func (o *Operation) Paths() []match.Path { return o.paths }

// Hosts are those of the host.
func (o *Operation) Hosts() []match.Host { return o.hosts }

// DestinationPort is the port on which the request arrived, as text.
func DestinationPort(r *request.Request) (string, error) {
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

// parsePath also refuses a pattern that no path in normal form can match: a DENY of it would never be one.
func parsePath(pattern string, level match.Normalization) (match.Path, error) {
	if pattern[0] != '/' && pattern[0] != '*' {
		return match.Path{}, errors.New("a path pattern starts with '/' or '*'")
	}
	if strings.ContainsAny(pattern, "?#") {
		return match.Path{}, errors.New("paths are matched without query and fragment, so they never have a '?' or '#'")
	}
	p, err := match.ParsePath(pattern)
	if err != nil {
		return match.Path{}, err
	}
	if normal, err := normalPattern(pattern, level); err != nil {
		return match.Path{}, errors.New("requests for it are refused: " + err.Error())
	} else if normal != pattern {
		return match.Path{}, errors.New("paths are matched in normal form, in which it is \"" + normal + "\"")
	}
	return p, nil
}

// stand is what stands for the operators of a pattern while it is brought to normal form: a segment's part.
const stand = "~"

func normalPattern(pattern string, level match.Normalization) (string, error) {
	head, tail := "", ""
	literal := pattern
	switch {
	case pattern == "*":
		return pattern, nil
	case strings.HasSuffix(pattern, "*"):
		literal, tail = pattern[:len(pattern)-1]+stand, "*"
	case strings.HasPrefix(pattern, "*"):
		literal, head = "/"+stand+pattern[1:], "*"
	}
	// Braces are not for a URI, so a path's normal form leaves those of operators alone.
	normal, err := match.NormalPath(literal, level)
	switch {
	case err != nil:
		return "", err
	case head != "":
		return head + strings.TrimPrefix(normal, "/"+stand), nil
	case tail != "":
		return strings.TrimSuffix(normal, stand) + tail, nil
	}
	return normal, nil
}
