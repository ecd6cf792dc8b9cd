{ description = "A semicolon begins the line"
; inputs =
    { nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"
    ; home.url = "github:acme/home/release-25.11" # home
    ; home.inputs.nixpkgs.follows = "nixpkgs"
    ; tools =
        { url = "github:acme/tools/main"
        ; inputs.nixpkgs.follows = "nixpkgs"
        ; inputs.home.follows = "home"
        ; }
    ; }
; outputs = inputs: { }
; }
