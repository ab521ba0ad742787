package rbac

// What the generator leaves out, because there the filter differs from rbac
// on purpose (RATIONALE.md says why):
//
//   - headers that occur twice, of which rbac sees the values joined by commas;
//   - a star inside a pattern, empty lists, and an empty source or operation,
//     which the filter refuses;
//   - paths such as "/a//../b" and with a NUL, and authorities that are no host
//     with at most a port, which the filter refuses with 400 or 503;
//   - paths of nothing but slashes: "//" is "/" to the filter, and stays "//" in
//     Envoy;
//   - escapes that differ in case only ("%3b" is "%3B" to the filter), and what
//     Envoy escapes and the filter leaves as it is (raw quotes, pipes, carets);
//   - characters in a path that RFC 3986 does not have there: they never match
//     the operators of an rbac template;
//   - certificates with several URI SANs, of which rbac takes any, and with a
//     SPIFFE ID that is invalid or has no path, which rbac takes for a string;
//   - no ALLOW policy at all: Istio then generates no rbac filter that allows,
//     and everything passes; here there is always one, which then denies.
//
// The values are few and resemble each other, so that random policies and
// requests meet often, and often only nearly.

// Peers without a SPIFFE ID.
const (
	// Nobody is a client without a certificate.
	Nobody = ""
	// NoURI is a client whose certificate has a host name only.
	NoURI = "backend.example.org"
)

// Peers are who may call: SPIFFE IDs, another URI, NoURI, Nobody.
var Peers = []string{
	"spiffe://example.org/ns/shop/sa/backend",
	"spiffe://example.org/ns/shop/sa/frontend",
	"spiffe://example.org/ns/shop-test/sa/backend",
	"spiffe://example.org/ns/ops/sa/shop-backup",
	"spiffe://example.org/vm/backend",
	"spiffe://partner.example/ns/shop/sa/backend",
	"spiffe://sub.example.org/ns/ops/sa/front",
	"https://example.org/ns/shop/sa/backend",
	NoURI,
	Nobody,
}

// Patterns of sources.
var (
	principals = []string{
		"*", "example.org/ns/shop/sa/backend", "spiffe://example.org/ns/shop/sa/frontend", "partner.example/ns/shop/sa/backend",
		"example.org/vm/backend", "example.org/ns/shop*", "spiffe://example.org/*", "*/sa/backend", "*backend",
	}
	namespaces      = []string{"*", "shop", "ops", "shop*", "*test", "*op"}
	serviceAccounts = []string{
		"*", "shop/backend", "backend", "front*", "shop*", "shop/*", "shop/front*", "*backend", "*/backend", "*test/backend",
	}
	qualified    = []string{"shop/backend", "ops/shop-backup", "shop/*", "shop/front*", "*/backend", "*test/backend"}
	trustDomains = []string{"example.org", "*", "*.org", "partner*", "*example.org", "sub.example.org"}
	trusted      = []string{"example.org", "partner.example"}
	ipBlocks     = []string{
		"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.1.0/25", "0.0.0.0/0", "2001:db8::/32", "2001:db8::7", "::/0",
	}
	addresses = []string{"10.0.0.1", "10.1.2.3", "10.1.200.1", "192.168.1.9", "192.168.1.129", "2001:db8::7", "2001:db9::7"}
)

// Patterns of operations, and what requests have.
var (
	hostPatterns = []string{
		"*", "db.example", "DB.Example", "db*", "*.example", "*.web.example", "db.example:8443", "api.web.example", "api.*",
	}
	hosts = []string{
		"db.example", "db.example.", "DB.EXAMPLE", "db.example:8443", "db.example.:8443", "db.example:443", "db.example.org",
		"api.web.example", "api.web.example:80", "web.example", "example", "10.0.0.1:80", "[2001:db8::7]:80",
	}
	ports          = []string{"80", "443", "8080", "8443"}
	methods        = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	methodPatterns = []string{"*", "GET", "POST", "DELETE", "P*", "PUT*", "*ET", "*T"}
	pathPatterns   = []string{
		"*", "/records", "/records/", "/records/1", "/records*", "/records/*", "*/admin", "*.json", "/admin*", "/public/a%20b",
		"/{*}", "/{**}", "/records/{*}", "/records/{**}", "/records/{*}/notes", "/{*}/admin", "/records/{**}/admin", "/{*}/{**}",
	}
	paths = []string{
		"/", "/records", "/records/", "/records/1", "/records/1/", "/records/1/notes", "/records/1/admin", "/records/1/2/admin",
		"/records/admin", "/records/a.json", "/Records/1", "/recordsx", "/admin", "/admin/x", "/x/admin", "/public/a%20b",
		"/records?next=/admin", "/records/1?a=b", "/records/?", "/admin?/records/1",
		// Disguises. The rbac listener has Envoy normalize them, authz-filter
		// looks through them by itself.
		"//records//1", "/x//admin", "/records/../admin", "/records/./1", "/records/1/..", "/records/1/.", "/../admin",
		"/records/%2e%2e/admin", "/records/%252e%252e/admin", "/records/%31", "/%72ecords/1", "/records/%2525", "/records/1%3Fx",
		"/records%2f1", "/records%2F..%2Fadmin", "/records%5c1", `/records\1`,
	}
)

// Patterns of conditions, and what requests have.
var (
	snis           = []string{"", "db.example", "api.db.example", "web.example"}
	sniPatterns    = []string{"*", "db.example", "*.example", "db*", "*.db.example"}
	headers        = []string{"x-env", "x-team", "user-agent"}
	headerPatterns = []string{"*", "prod", "prod*", "*-eu", "test", "Prod"}
	headerTexts    = []string{"prod", "prod-eu", "test", "test-eu", "Prod", "", "production", "a, prod"}
)
