package match

import (
	"errors"
	"strings"
)

// Normalization is how far a path is brought to a normal form before it is matched. The levels are those
// of Istio's pathNormalization.
type Normalization uint8

// The levels, each doing what the one before does.
const (
	None                Normalization = iota
	Base                              // RFC 3986 sections 6.2.2.1 to 6.2.2.3
	MergeSlashes                      // and "//" is "/"
	DecodeAndMergeSlash               // and %2f, %5c and \ are "/"
)

// Normalizations are the levels' names in configurations, by level.
var Normalizations = [...]string{"none", "base", "merge-slashes", "decode-and-merge-slashes"}

// ParseNormalization finds a level by its name.
func ParseNormalization(name string) (Normalization, bool) {
	for i, n := range Normalizations {
		if n == name {
			return Normalization(i), true
		}
	}
	return None, false
}

// ErrNUL is a path with a NUL, raw or encoded. C code behind the proxy would see it end there.
var ErrNUL = errors.New("match: the path has a NUL")

// CutQuery leaves out query and fragment. A fragment never belongs on the wire (RFC 9112 section 3.2),
// but what is behind the proxy may cut there, so matching does too.
func CutQuery(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// NormalPath brings a path without query to the level's normal form: escapes are decoded in one pass,
// then dot segments are removed, then slashes merged, which is Envoy's order. Decoding once is enough for
// whoever decodes once; "%252e" stays what it is. A path that does not start with a slash ("*") is
// returned as it is. It allocates only when there is something to change.
func NormalPath(path string, level Normalization) (string, error) {
	if strings.IndexByte(path, 0) >= 0 || strings.Contains(path, "%00") {
		return "", ErrNUL
	}
	if level == None || path == "" || isNormal(path, level) {
		return path, nil
	}
	decodeSlash := level == DecodeAndMergeSlash
	buf := unescape(make([]byte, 0, len(path)), path, decodeSlash)
	if len(buf) == 0 || buf[0] != '/' {
		return path, nil
	}
	buf = removeDotSegments(buf)
	if level >= MergeSlashes {
		buf = mergeSlashes(buf)
	}
	return string(buf), nil
}

// isNormal is a quick test that never says yes wrongly.
func isNormal(path string, level Normalization) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '%':
			return false
		case '\\':
			if level == DecodeAndMergeSlash {
				return false
			}
		case '/':
			if i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '/' && level >= MergeSlashes) {
				return false
			}
		}
	}
	return true
}

func unescape(buf []byte, path string, decodeSlash bool) []byte {
	const upper = "0123456789ABCDEF"
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '\\' && decodeSlash {
			c = '/'
		}
		if c != '%' || i+2 >= len(path) {
			buf = append(buf, c)
			continue
		}
		hi, ok1 := unhex(path[i+1])
		lo, ok2 := unhex(path[i+2])
		if !ok1 || !ok2 {
			buf = append(buf, c)
			continue
		}
		i += 2
		switch v := hi<<4 | lo; {
		case isUnreserved(v):
			buf = append(buf, v)
		case decodeSlash && (v == '/' || v == '\\'):
			buf = append(buf, '/')
		default:
			buf = append(buf, '%', upper[hi], upper[lo])
		}
	}
	return buf
}

// removeDotSegments is RFC 3986 section 5.2.4 in place, on an absolute path.
func removeDotSegments(path []byte) []byte {
	out := path[:0]
	for i := 0; i < len(path); { // path[i] is a slash
		end := i + 1
		for end < len(path) && path[end] != '/' {
			end++
		}
		last := end == len(path)
		switch segment := path[i+1 : end]; {
		case len(segment) == 1 && segment[0] == '.':
			if last {
				out = append(out, '/')
			}
		case len(segment) == 2 && segment[0] == '.' && segment[1] == '.':
			n := len(out)
			for n > 0 && out[n-1] != '/' {
				n--
			}
			out = out[:max(n-1, 0)]
			if last {
				out = append(out, '/')
			}
		default:
			out = append(out, path[i:end]...)
		}
		i = end
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out
}

func mergeSlashes(path []byte) []byte {
	out := path[:0]
	for i, c := range path {
		if c == '/' && i > 0 && path[i-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	return out
}

func isUnreserved(c byte) bool { // RFC 3986 section 2.3
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
