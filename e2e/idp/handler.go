package idp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TokenRequest is what a client posts to /token, as JSON.
type TokenRequest struct {
	Subject  string `json:"subject"`
	Audience string `json:"audience"`
	// Claims beside the registered ones, such as scope.
	Claims Claims `json:"claims,omitempty"`
	// Algorithm defaults to RS256.
	Algorithm jose.SignatureAlgorithm `json:"algorithm,omitempty"`
	// ExpiredFor, in seconds, asks for a token that ran out that long ago. No
	// real provider offers that; waiting for one to expire would take minutes.
	ExpiredFor int `json:"expired_for,omitempty"`
}

// TokenResponse is the answer (RFC 6749 section 5.1).
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
}

// ServeHTTP offers GET /jwks, POST /token and, for who wants to see it happen, POST /rotate.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.serving.Lock()
	defer p.serving.Unlock()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/jwk-set+json")
		_, _ = w.Write(p.JWKS())
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		token, err := p.issue(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(w).Encode(TokenResponse{AccessToken: token, TokenType: "Bearer"})
	})
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.Rotate(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.ServeHTTP(w, r)
}

func (p *Provider) issue(r *http.Request) (string, error) {
	var request TokenRequest
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return "", fmt.Errorf("idp: token request: %w", err)
	}
	claims := p.Claims(request.Subject, request.Audience, request.Claims)
	if request.ExpiredFor > 0 {
		claims = Expire(claims, time.Duration(request.ExpiredFor)*time.Second)
	}
	if request.Algorithm == "" {
		request.Algorithm = jose.RS256
	}
	return p.Sign(request.Algorithm, claims)
}
