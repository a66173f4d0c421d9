from coderl.cli import main

main()
